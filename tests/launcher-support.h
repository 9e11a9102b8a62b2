/* launcher-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-launcher-private.h"

/* For the tests of launchers: what is the engine's is done in the engine thread, and waited for in the main context. */

typedef struct
{
  ParallelLauncher *launcher;
  GPtrArray        *places;     /* copies, or NULL */
  GError           *error;
  guint             n_calls;    /* atomically */
} Preparation;

void   in_engine         (void             (*func) (gpointer data),
                          gpointer           data);

/* Takes no reference. */
void   preparation_begin (Preparation       *self,
                          ParallelLauncher  *launcher);
void   preparation_wait  (Preparation       *self);
void   preparation_forget (Preparation      *self);
void   preparation_clear (Preparation       *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Preparation, preparation_clear)

/* All of it: "n1:4 n2:4", "-:0", or the error's message. */
char  *prepare           (ParallelLauncher  *launcher);

/* "podman" "run" as podman|run. */
char  *join_argv         (char             **argv);

/* In the engine. */
char **dup_argv          (ParallelLauncher    *launcher,
                          const ParallelPlace *place,
                          const char * const  *argv);

/* Starts this program again, as a role, with its streams as pipes. */
GSubprocess *start_role  (const char        *program,
                          const char        *role);

/* A line without its newline; NULL at the end. */
char  *read_line         (GSubprocess       *subprocess);

/* Ends it as a crash would. */
void   kill_role         (GSubprocess       *subprocess);

/* A role is ready: says so, and waits until it is killed or its input ends. */
void   be_ready          (const char        *words);
