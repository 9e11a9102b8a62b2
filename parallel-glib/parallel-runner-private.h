/* parallel-runner-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-background-task-runner.h"
#include "parallel-run.h"

G_BEGIN_DECLS

/* The runner is spread over four files:
 *
 * parallel-background-task-runner.c: the object, its signals, and what is put.
 * parallel-runner-settings.c: properties.
 * parallel-runner-wait.c: waiting, synchronously and not.
 * parallel-runner-list.c: lists of steps, and the GListModel. */

struct _ParallelBackgroundTaskRunner
{
  GObject        parent_instance;

  /* Constant after construction. */
  ParallelRun   *run;

  /* Owner context only. */
  GOutputStream *sinks[2];            /* or NULL for the descriptors */
  int            sink_fds[2];
  ParallelOutputMode output_mode;
  gboolean       hold_output;
  double         keep_alive_interval;
  GCancellable  *cancellable;
  gulong         cancelled_id;
  gboolean       finished;            /* the end was delivered */
  GQueue         waiters;             /* of Waiter, in parallel-runner-wait.c */
  GMainContext  *wait_context;        /* iterated by synchronous waits, made by the first */
  GSequence     *model;               /* of ParallelItem, by index; NULL until somebody looks */
};

/* parallel-background-task-runner.c */
void parallel_runner_apply_output     (ParallelBackgroundTaskRunner *self);

/* parallel-runner-settings.c */
void parallel_runner_install_properties (GObjectClass               *klass);
void parallel_runner_notify_counters  (ParallelBackgroundTaskRunner *self);

/* parallel-runner-wait.c: looks whether one of those who wait has what it waits for. */
void parallel_runner_check_waiters    (ParallelBackgroundTaskRunner *self);
void parallel_runner_clear_waiters    (ParallelBackgroundTaskRunner *self);

/* parallel-runner-list.c */
void parallel_runner_list_model_init  (GListModelInterface          *iface);
void parallel_runner_sync_model       (ParallelBackgroundTaskRunner *self);
void parallel_runner_remove_from_model (ParallelBackgroundTaskRunner *self,
                                        ParallelItem                 *item);

G_END_DECLS
