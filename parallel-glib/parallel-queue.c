/* parallel-queue.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-queue.h"

#include "parallel-value.h"

ParallelItem *
parallel_item_new (void)
{
  ParallelItem *item = g_new0 (ParallelItem, 1);

  g_atomic_ref_count_init (&item->ref_count);
  item->index = -1;

  return item;
}

ParallelItem *
parallel_item_ref (ParallelItem *item)
{
  g_atomic_ref_count_inc (&item->ref_count);

  return item;
}

ParallelStep *
parallel_item_release (ParallelItem *item)
{
  ParallelStep *step;

  if (!g_atomic_ref_count_dec (&item->ref_count))
    return NULL;

  step = g_steal_pointer (&item->step);
  if (parallel_value_is_set (&item->input))
    g_value_unset (&item->input);
  g_free (item);
  return step;
}

void
parallel_item_unref (ParallelItem *item)
{
  ParallelStep *step = parallel_item_release (item);

  g_clear_object (&step);
}

void
parallel_item_list_push_tail (ParallelItemList *list,
                              ParallelItem     *item)
{
  item->previous = list->last;
  item->next = NULL;
  if (list->last != NULL)
    list->last->next = item;
  else
    list->first = item;
  list->last = item;
  list->length++;
}

void
parallel_item_list_push_head (ParallelItemList *list,
                              ParallelItem     *item)
{
  item->previous = NULL;
  item->next = list->first;
  if (list->first != NULL)
    list->first->previous = item;
  else
    list->last = item;
  list->first = item;
  list->length++;
}

void
parallel_item_list_remove (ParallelItemList *list,
                           ParallelItem     *item)
{
  if (item->previous != NULL)
    item->previous->next = item->next;
  else
    list->first = item->next;
  if (item->next != NULL)
    item->next->previous = item->previous;
  else
    list->last = item->previous;
  item->previous = NULL;
  item->next = NULL;
  list->length--;
}

ParallelItem *
parallel_item_list_pop (ParallelItemList *list)
{
  ParallelItem *item = list->first;

  if (item != NULL)
    parallel_item_list_remove (list, item);

  return item;
}

static int
compare_priorities (gconstpointer a,
                    gconstpointer b,
                    gpointer      user_data)
{
  int left = GPOINTER_TO_INT (a);
  int right = GPOINTER_TO_INT (b);

  return (left > right) - (left < right);
}

static ParallelItemList *
list_for (ParallelQueue *self,
          int            priority)
{
  ParallelItemList *list;

  if (priority == 0)
    return &self->normal;

  if (self->others == NULL)
    self->others = g_tree_new_full (compare_priorities, NULL, NULL, g_free);
  list = g_tree_lookup (self->others, GINT_TO_POINTER (priority));
  if (list == NULL)
    {
      list = g_new0 (ParallelItemList, 1);
      g_tree_insert (self->others, GINT_TO_POINTER (priority), list);
    }
  return list;
}

/* The list of the most urgent items, NULL when there are none. An empty list is never left in
 * the tree. */
static ParallelItemList *
first_list (ParallelQueue *self)
{
  GTreeNode *node = self->others != NULL ? g_tree_node_first (self->others) : NULL;

  if (node != NULL && (GPOINTER_TO_INT (g_tree_node_key (node)) < 0 || self->normal.length == 0))
    return g_tree_node_value (node);

  return self->normal.length > 0 ? &self->normal : NULL;
}

void
parallel_queue_push (ParallelQueue *self,
                     ParallelItem  *item)
{
  parallel_item_list_push_tail (list_for (self, item->priority), item);
  self->length++;
}

void
parallel_queue_push_head (ParallelQueue *self,
                          ParallelItem  *item)
{
  parallel_item_list_push_head (list_for (self, item->priority), item);
  self->length++;
}

ParallelItem *
parallel_queue_peek (ParallelQueue *self)
{
  ParallelItemList *list = first_list (self);

  return list != NULL ? list->first : NULL;
}

void
parallel_queue_remove (ParallelQueue *self,
                       ParallelItem  *item)
{
  ParallelItemList *list = list_for (self, item->priority);

  parallel_item_list_remove (list, item);
  self->length--;
  if (list->length == 0 && list != &self->normal)
    g_tree_remove (self->others, GINT_TO_POINTER (item->priority));
}

ParallelItem *
parallel_queue_pop (ParallelQueue *self)
{
  ParallelItem *item = parallel_queue_peek (self);

  if (item != NULL)
    parallel_queue_remove (self, item);

  return item;
}

typedef struct
{
  GFunc    func;
  gpointer user_data;
} Visit;

static gboolean
visit_list_cb (gpointer priority,
               gpointer value,
               gpointer user_data)
{
  ParallelItemList *list = value;
  Visit *visit = user_data;

  for (ParallelItem *item = list->first; item != NULL; item = item->next)
    visit->func (item, visit->user_data);

  return FALSE;
}

void
parallel_queue_foreach (ParallelQueue *self,
                        GFunc          func,
                        gpointer       user_data)
{
  Visit visit = { func, user_data };

  visit_list_cb (NULL, &self->normal, &visit);
  if (self->others != NULL)
    g_tree_foreach (self->others, visit_list_cb, &visit);
}

void
parallel_queue_clear (ParallelQueue *self)
{
  g_assert (self->length == 0);
  g_clear_pointer (&self->others, g_tree_unref);
}
