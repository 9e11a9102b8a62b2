/* parallel-runner-list.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-runner-private.h"

/* Lists of steps, and the runner as a GListModel.
 *
 * The model is made when somebody first looks at it: a list of items by index, in which a step
 * is only made for a place that is asked for. Until then it costs nothing. */

static int
compare_items (gconstpointer a,
               gconstpointer b,
               gpointer      user_data)
{
  const ParallelItem *left = a;
  const ParallelItem *right = b;

  return (left->index > right->index) - (left->index < right->index);
}

static int
compare_item_pointers (gconstpointer a,
                       gconstpointer b)
{
  return compare_items (*(ParallelItem * const *) a, *(ParallelItem * const *) b, NULL);
}

static void
add_item_cb (gpointer data,
             gpointer user_data)
{
  g_ptr_array_add (user_data, parallel_item_ref (data));
}

static void
add_list (GPtrArray        *items,
          ParallelItemList *list)
{
  for (ParallelItem *item = list->first; item != NULL; item = item->next)
    if (!item->onexit)
      add_item_cb (item, items);
}

static GPtrArray *
new_items (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) parallel_item_unref);
}

/* Everything that the run knows of, by index. */
static GPtrArray *
dup_items_locked (ParallelRun *run)
{
  GPtrArray *items = new_items ();

  add_list (items, &run->kept);
  add_list (items, &run->skipped);
  add_list (items, &run->delayed);
  add_list (items, &run->running);
  parallel_queue_foreach (&run->pending, add_item_cb, items);
  g_ptr_array_sort (items, compare_item_pointers);

  return items;
}

/* The steps of @items, which are consumed. */
static GPtrArray *
take_steps (ParallelRun *run,
            GPtrArray   *items)
{
  GPtrArray *steps = g_ptr_array_new_full (items->len, g_object_unref);

  for (guint i = 0; i < items->len; i++)
    g_ptr_array_add (steps, parallel_run_dup_step (run, g_ptr_array_index (items, i)));
  g_ptr_array_unref (items);

  return steps;
}

/**
 * parallel_background_task_runner_dup_failures:
 * @self: a runner
 *
 * The steps that have failed so far, as far as [property@BackgroundTaskRunner:keep-steps] keeps
 * them: each with its error, duration and output.
 *
 * Returns: (transfer container) (element-type ParallelStep): the steps, to which the array holds
 *   references, in queue order
 */
GPtrArray *
parallel_background_task_runner_dup_failures (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  GPtrArray *items;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  run = self->run;
  items = new_items ();
  parallel_run_lock (run);
  for (ParallelItem *item = run->kept.first; item != NULL; item = item->next)
    if (parallel_step_get_state (item->step) == PARALLEL_STEP_STATE_FAILED)
      g_ptr_array_add (items, parallel_item_ref (item));
  parallel_run_unlock (run);
  g_ptr_array_sort (items, compare_item_pointers);

  return take_steps (run, items);
}

/**
 * parallel_background_task_runner_dup_skipped:
 * @self: a runner
 *
 * The steps that never ran because the run was halted.
 *
 * Returns: (transfer container) (element-type ParallelStep): the steps, to which the array holds
 *   references, in queue order
 */
GPtrArray *
parallel_background_task_runner_dup_skipped (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  GPtrArray *items;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  run = self->run;
  items = new_items ();
  parallel_run_lock (run);
  add_list (items, &run->skipped);
  parallel_run_unlock (run);
  g_ptr_array_sort (items, compare_item_pointers);

  return take_steps (run, items);
}

/**
 * parallel_background_task_runner_dup_steps:
 * @self: a runner
 *
 * All the steps that the runner has at this moment: those that wait, that run, that were skipped,
 * and the finished ones that [property@BackgroundTaskRunner:keep-steps] keeps.
 *
 * Returns: (transfer container) (element-type ParallelStep): the steps, to which the array holds
 *   references, in queue order
 */
GPtrArray *
parallel_background_task_runner_dup_steps (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run;
  GPtrArray *items;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  run = self->run;
  parallel_run_lock (run);
  items = dup_items_locked (run);
  parallel_run_unlock (run);

  return take_steps (run, items);
}

/* ---- the model ---- */

static void
activate (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run = self->run;
  g_autoptr (GPtrArray) items = NULL;

  if (self->model != NULL)
    return;

  parallel_run_lock (run);
  run->model_active = TRUE;
  items = dup_items_locked (run);
  parallel_run_unlock (run);

  self->model = g_sequence_new ((GDestroyNotify) parallel_item_unref);
  for (guint i = 0; i < items->len; i++)
    g_sequence_append (self->model, parallel_item_ref (g_ptr_array_index (items, i)));
}

void
parallel_runner_sync_model (ParallelBackgroundTaskRunner *self)
{
  ParallelRun *run = self->run;
  ParallelItem *item;
  GQueue added;
  guint position;
  guint n_added;

  if (self->model == NULL)
    return;

  parallel_run_lock (run);
  added = run->added;
  g_queue_init (&run->added);
  parallel_run_unlock (run);

  n_added = added.length;
  if (n_added == 0)
    return;

  position = g_sequence_get_length (self->model);
  while ((item = g_queue_pop_head (&added)) != NULL)
    g_sequence_append (self->model, item);
  g_list_model_items_changed (G_LIST_MODEL (self), position, 0, n_added);
}

void
parallel_runner_remove_from_model (ParallelBackgroundTaskRunner *self,
                                   ParallelItem                 *item)
{
  GSequenceIter *iter;
  guint position;

  if (self->model == NULL)
    return;

  iter = g_sequence_lookup (self->model, item, compare_items, NULL);
  if (iter == NULL)
    return;

  position = g_sequence_iter_get_position (iter);
  g_sequence_remove (iter);
  g_list_model_items_changed (G_LIST_MODEL (self), position, 1, 0);
}

static GType
get_item_type (GListModel *model)
{
  return PARALLEL_TYPE_STEP;
}

static guint
get_n_items (GListModel *model)
{
  ParallelBackgroundTaskRunner *self = PARALLEL_BACKGROUND_TASK_RUNNER (model);

  activate (self);
  return g_sequence_get_length (self->model);
}

static gpointer
get_item (GListModel *model,
          guint       position)
{
  ParallelBackgroundTaskRunner *self = PARALLEL_BACKGROUND_TASK_RUNNER (model);
  GSequenceIter *iter;
  ParallelStep *step;

  activate (self);
  iter = g_sequence_get_iter_at_pos (self->model, position);
  if (g_sequence_iter_is_end (iter))
    return NULL;

  step = parallel_run_dup_step (self->run, g_sequence_get (iter));
  g_atomic_int_set (&step->watched, TRUE);

  return step;
}

void
parallel_runner_list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}
