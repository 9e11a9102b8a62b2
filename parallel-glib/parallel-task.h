/* parallel-task.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-types.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_TASK (parallel_task_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_DERIVABLE_TYPE (ParallelTask, parallel_task, PARALLEL, TASK, GObject)

/**
 * ParallelTaskClass:
 *
 * The class of [class@Task]. What a kind of task does belongs to the library; derive from
 * [class@AsyncTask] to make a task of your own.
 */
struct _ParallelTaskClass
{
  GObjectClass parent_class;

  /*< private >*/
  gconstpointer funcs;
  gpointer padding[8];
};

G_END_DECLS
