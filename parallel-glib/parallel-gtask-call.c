/* parallel-gtask-call.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-gtask-call.h"

#include "parallel-engine.h"
#include "parallel-run-error.h"

typedef struct
{
  GType          result_type;
  ParallelStep  *step;
  gboolean       returned;
  gboolean       dropped;     /* the GTask is gone and has not returned anything */
  GMainContext  *context;
  gboolean       success;
  GError       **error;
} Call;

static gboolean
init_from_pointer (GValue   *value,
                   GTask    *task,
                   GError  **error)
{
  GError *local_error = NULL;
  gpointer pointer = g_task_propagate_pointer (task, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, local_error);
      return FALSE;
    }

  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_STRING:
      g_value_take_string (value, pointer);
      break;
    case G_TYPE_OBJECT:
    case G_TYPE_INTERFACE:
      g_value_take_object (value, pointer);
      break;
    case G_TYPE_VARIANT:
      g_value_take_variant (value, pointer);
      break;
    case G_TYPE_PARAM:
      g_value_take_param (value, pointer);
      break;
    case G_TYPE_BOXED:
      g_value_take_boxed (value, pointer);
      break;
    default:
      g_value_set_pointer (value, pointer);
    }
  return TRUE;
}

static gboolean
is_number (GType type)
{
  GType fundamental = G_TYPE_FUNDAMENTAL (type);

  return (fundamental >= G_TYPE_CHAR && fundamental <= G_TYPE_DOUBLE) &&
         g_value_type_transformable (G_TYPE_INT64, type);
}

static gboolean
init_from_int (GValue  *value,
               GTask   *task,
               GError **error)
{
  g_auto (GValue) number = G_VALUE_INIT;
  GError *local_error = NULL;

  g_value_init (&number, G_TYPE_INT64);
  g_value_set_int64 (&number, g_task_propagate_int (task, &local_error));
  if (local_error != NULL)
    {
      g_propagate_error (error, local_error);
      return FALSE;
    }

  return g_value_transform (&number, value);
}

static gboolean
set_value_result (ParallelStep  *step,
                  GTask         *task,
                  GError       **error)
{
  g_auto (GValue) result = G_VALUE_INIT;

  if (!g_task_propagate_value (task, &result, error))
    return FALSE;

  parallel_step_set_result (step, &result);
  return TRUE;
}

static gboolean
set_boolean_result (ParallelStep  *step,
                    GTask         *task,
                    gboolean       wanted,
                    GError       **error)
{
  g_auto (GValue) result = G_VALUE_INIT;
  GError *local_error = NULL;
  gboolean success = g_task_propagate_boolean (task, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, local_error);
      return FALSE;
    }
  if (!wanted)
    return success;

  g_value_init (&result, G_TYPE_BOOLEAN);
  g_value_set_boolean (&result, success);
  parallel_step_set_result (step, &result);
  return TRUE;
}

static gboolean
propagate (Call   *call,
           GTask  *task,
           GError **error)
{
  g_auto (GValue) result = G_VALUE_INIT;
  gboolean success;

  if (call->result_type == G_TYPE_NONE || call->result_type == G_TYPE_BOOLEAN)
    return set_boolean_result (call->step, task, call->result_type == G_TYPE_BOOLEAN, error);
  if (call->result_type == G_TYPE_VALUE)
    return set_value_result (call->step, task, error);

  g_value_init (&result, call->result_type);
  if (is_number (call->result_type))
    success = init_from_int (&result, task, error);
  else
    success = init_from_pointer (&result, task, error);
  if (success)
    parallel_step_set_result (call->step, &result);

  return success;
}

static void
returned_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Call *call = user_data;

  call->returned = TRUE;
  call->success = propagate (call, G_TASK (result), call->error);
}

static void
dropped_cb (gpointer  user_data,
            GObject  *task)
{
  Call *call = user_data;

  call->dropped = TRUE;
  g_main_context_wakeup (call->context);
}

gboolean
parallel_gtask_call (GTaskThreadFunc   function,
                     GType             result_type,
                     gpointer          task_data,
                     ParallelStep     *step,
                     GCancellable     *cancellable,
                     GError          **error)
{
  g_autoptr (GMainContext) context = parallel_main_context_try_new (error);
  Call call = { .result_type = result_type, .step = step, .context = context, .error = error };
  GTask *task;

  if (context == NULL || !parallel_glib_worker_try_start (error))
    return FALSE;
  g_main_context_push_thread_default (context);

  task = g_task_new (step, cancellable, returned_cb, &call);
  g_task_set_source_tag (task, parallel_gtask_call);
  g_task_set_task_data (task, task_data, NULL);
  g_object_weak_ref (G_OBJECT (task), dropped_cb, &call);
  function (task, step, task_data, cancellable);
  g_object_unref (task);

  /* The function may have handed the GTask on to something that returns it later. */
  while (!call.returned && !call.dropped)
    g_main_context_iteration (context, TRUE);
  while (!call.dropped && g_main_context_iteration (context, FALSE))
    ;
  if (!call.dropped)
    g_object_weak_unref (G_OBJECT (task), dropped_cb, &call);

  g_main_context_pop_thread_default (context);

  if (!call.returned)
    g_set_error_literal (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                         "The function ended without a call to one of the g_task_return functions");
  return call.returned && call.success;
}
