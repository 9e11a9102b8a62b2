/* parallel-worker-process.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-launcher-private.h"
#include "parallel-spawner.h"
#include "parallel-worker-server-private.h"

G_BEGIN_DECLS

/* The process of a worker: started as a program, or forked by a server. Engine thread only. */

/* How a worker is made; belongs to its task. */
typedef struct
{
  char                 **argv;          /* NULL where there is a server */
  char                 **env;           /* or NULL for the program's own */
  char                  *cwd;           /* or NULL for the program's own */
  ParallelWorkerServer  *server;        /* or NULL */
  ParallelLauncher      *launcher;      /* or NULL */
} ParallelWorkerRecipe;

typedef struct
{
  /* Its pid is known, which was not so at first: only where a server makes it. */
  void (*started) (gpointer owner);
  /* The process could not be made; there is none. Takes @error. */
  void (*failed) (gpointer  owner,
                  GError   *error);
  /* @wait_status: as waitpid() has it, or PARALLEL_EXIT_LOST. */
  void (*exited) (gpointer  owner,
                  int       wait_status);
} ParallelWorkerProcessFuncs;

typedef struct
{
  int         pid;                      /* also its process group; 0 as long as it is not known */
  char       *mark;
  int         input_fd;                 /* this side's ends; to be taken */
  int         answers_fd;
  int         output_fd;

  /* For parallel-worker-process.c alone. */
  const ParallelWorkerRecipe *recipe;
  const ParallelWorkerProcessFuncs *funcs;
  gpointer    owner;
  ParallelWorkerOrder *order;           /* where a server makes it, until the pid is known; or NULL */
  GSubprocess *subprocess;              /* where it is a program */
} ParallelWorkerProcess;

/* @place: where the launcher is to run it, if there is one; else NULL. FALSE with @error: it could not be made, and nothing will be called. The functions are never called from
 * within. @self stays where it is until failed or exited was called, which is the last there is of it. */
gboolean parallel_worker_process_start  (ParallelWorkerProcess             *self,
                                         const ParallelWorkerRecipe        *recipe,
                                         const ParallelPlace               *place,
                                         const ParallelWorkerProcessFuncs  *funcs,
                                         gpointer                           owner,
                                         GError                           **error);
/* It is not wanted any more, and its pid is not known: there will be none, and no function is called. */
void     parallel_worker_process_cancel (ParallelWorkerProcess             *self);
/* Closes what was not taken. */
void     parallel_worker_process_clear  (ParallelWorkerProcess             *self);

G_END_DECLS
