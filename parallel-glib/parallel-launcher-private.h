/* parallel-launcher-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-launcher.h"
#include "parallel-slurm.h"

G_BEGIN_DECLS

typedef struct _ParallelLauncherCore ParallelLauncherCore;

struct _ParallelLauncher
{
  GObject               parent_instance;

  /* Constant once the launcher is in use. */
  char                **argv;
  gboolean              joins_arguments;
  gboolean              trusts_exit_status;
  char                **unset_variables;
  char                **cancel_argv;
  char                 *agent;
  double                patience;           /* seconds; negative: without limit */
  double                heartbeat_timeout;  /* seconds */
  gboolean              connect_back;
  char                 *address;

  /* Any thread: the worker task of the agents that run commands, as long as a command task needs it. It has a reference to
   * the launcher. */
  GWeakRef              agents;

  /* Constant: the pointer is. */
  ParallelLauncherCore *core;
};

/* ---- for those who start something; engine thread only ---- */

/* @error and @places: of the launcher, valid as long as that is. Either @places, of ParallelPlace, at least one, or
 * @error. */
typedef void (*ParallelLauncherReady) (const GPtrArray *places,
                                       const GError    *error,
                                       gpointer         user_data);

/* Makes the launcher ready (Slurm outside of an allocation: gets one). Called back once in the engine thread, maybe before
 * this returns, or never after parallel_launcher_forget(); the caller has a reference to the launcher until then. The
 * places are constant from then on. A second call while the first is under way, or after it, shares it; after a failure, or
 * when the allocation has ended, it tries again. */
void    parallel_launcher_prepare          (ParallelLauncher       *self,
                                            ParallelLauncherReady   callback,
                                            gpointer                user_data);

/* Nobody is called with @user_data any more. When nobody else waits, resources are not waited for any longer. */
void    parallel_launcher_forget           (ParallelLauncher       *self,
                                            gpointer                user_data);

/* The whole argv of what is started on this machine, so that @argv runs at @place: the arguments joined and quoted where that
 * is needed. After parallel_launcher_prepare(). */
char  **parallel_launcher_dup_argv         (ParallelLauncher       *self,
                                            const ParallelPlace    *place,
                                            const char * const     *argv);

/* Whether the far side has the folders of this machine, so that a program runs in the same one. */
gboolean parallel_launcher_shares_folders  (ParallelLauncher       *self);

/* @env, NULL for that of this program, without the variables that disturb the launcher. */
char  **parallel_launcher_dup_environ      (ParallelLauncher       *self,
                                            const char * const     *env);

/* What stops the program with these ids, which came from the far side; either may be NULL. NULL if there is no such command, or
 * if an id that it needs is missing or no id. */
char  **parallel_launcher_dup_cancel_argv  (ParallelLauncher       *self,
                                            const char             *job,
                                            const char             *step);

G_END_DECLS
