/* parallel-worker-task-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-frame.h"
#include "parallel-worker-process.h"
#include "parallel-worker-task.h"
#include "parallel-step.h"

G_BEGIN_DECLS

#define PARALLEL_WORKER_TASK_MIN_FRAME 65536u

/* How a task that is made of workers inside of the library uses them. */
typedef struct
{
  GBytes     *(*encode) (ParallelStep          *step);
  /* Puts the end into @step, and returns the error that it ends with. */
  GError     *(*decode) (ParallelStep          *step,
                         GVariant              *result);
  gboolean      pieces;               /* what the workers print comes in pieces of parallel-remote-command.h */
} ParallelWorkerCodec;

struct _ParallelWorkerTask
{
  ParallelTask          parent_instance;

  /* Constant once the task is in use. */
  ParallelWorkerRecipe  recipe;
  ParallelEncoding      encoding;
  GBytes               *setup;
  gboolean              has_onexit;
  guint                 max_steps_per_worker;   /* 0: no limit */
  guint                 frame_limit;
  double                start_timeout;  /* seconds; 0: none */
  const ParallelWorkerCodec *codec;     /* NULL: that of the encoding */
};

/* See ParallelWorkerCodec. */
gboolean  parallel_worker_task_has_pieces     (ParallelWorkerTask    *self);

/* A value as it travels. Takes a floating reference. */
GBytes   *parallel_worker_task_serialise      (GVariant              *value);

/* What a pool needs of its task. All constant once the task is in use. */

const ParallelWorkerRecipe *parallel_worker_task_get_recipe (ParallelWorkerTask    *self);

/* The input of a step as it travels. */
GBytes   *parallel_worker_task_encode         (ParallelWorkerTask    *self,
                                               ParallelStep          *step);
/* Puts the result, or the details of a failure, into @step. Returns the error that it ends with. */
GError   *parallel_worker_task_decode         (ParallelWorkerTask    *self,
                                               ParallelStep          *step,
                                               GBytes                *payload,
                                               const ParallelOutcome *outcome);

G_END_DECLS
