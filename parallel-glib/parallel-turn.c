/* parallel-turn.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-turn.h"

/* A window smaller than this is not worth giving back. */
#define MIN_WINDOW 64
#define KEEP_WINDOW 4096

const char parallel_slot_done = 0;

ParallelTurn *
parallel_turn_new (guint64     index,
                   const char *name)
{
  ParallelTurn *self = g_new0 (ParallelTurn, 1);

  self->index = index;
  self->name = (name != NULL) ? g_strdup (name) : g_strdup_printf ("%" G_GUINT64_FORMAT, index);
  self->link.data = self;

  return self;
}

void
parallel_turn_free (ParallelTurn *self)
{
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    g_clear_pointer (&self->outputs[i], parallel_output_unref);

  g_free (self->name);
  g_free (self);
}

void
parallel_turn_adopt (ParallelTurn   *self,
                     gboolean        live,
                     ParallelOutput *outputs[PARALLEL_N_PARTS],
                     ParallelOutput *old[PARALLEL_N_PARTS])
{
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    {
      if (outputs[i] == NULL || outputs[i] == self->outputs[i])
        continue;

      old[i] = self->outputs[i];
      self->outputs[i] = parallel_output_ref (outputs[i]);
      self->printed[i] = 0;
    }

  self->live = !!live;
}

gboolean
parallel_turn_is_exhausted (ParallelTurn *self)
{
  if (!self->closed)
    return FALSE;

  for (guint i = 0; i < PARALLEL_N_PARTS && !self->discarded; i++)
    if (self->outputs[i] != NULL && self->printed[i] < parallel_output_get_size (self->outputs[i]))
      return FALSE;

  return TRUE;
}

void
parallel_window_clear (ParallelWindow *self)
{
  g_clear_pointer (&self->slots, g_free);
  self->size = 0;
  self->end = self->next;
}

gpointer
parallel_window_get (ParallelWindow *self,
                     guint64         index)
{
  if (index < self->next)
    return PARALLEL_SLOT_DONE;
  if (index >= self->end)
    return NULL;

  return self->slots[index & (self->size - 1)];
}

/* Doubles the ring until it has @needed slots, so that the cost per index stays constant. */
static void
window_grow (ParallelWindow *self,
             guint64         needed)
{
  gsize size = MAX (self->size, MIN_WINDOW);
  gpointer *slots;

  g_assert (needed <= G_MAXSIZE / sizeof (gpointer) / 2);

  while (size < needed)
    size *= 2;

  slots = g_new0 (gpointer, size);
  for (guint64 i = self->next; i < self->end; i++)
    slots[i & (size - 1)] = self->slots[i & (self->size - 1)];

  g_free (self->slots);
  self->slots = slots;
  self->size = size;
}

void
parallel_window_set (ParallelWindow *self,
                     guint64         index,
                     gpointer        slot)
{
  g_assert (index >= self->next);

  if (index - self->next >= self->size)
    window_grow (self, index - self->next + 1);

  self->slots[index & (self->size - 1)] = slot;
  self->end = MAX (self->end, index + 1);
}

void
parallel_window_finish (ParallelWindow *self,
                        guint64         index)
{
  gsize mask;

  /* Steps that end in order and write nothing never touch the ring. */
  if (index == self->next && self->next == self->end)
    {
      self->next++;
      self->end++;
      return;
    }

  parallel_window_set (self, index, PARALLEL_SLOT_DONE);

  mask = self->size - 1;
  while (self->next < self->end && self->slots[self->next & mask] == PARALLEL_SLOT_DONE)
    self->slots[self->next++ & mask] = NULL;

  /* One slow step can make it huge. It took as many calls to get there, so that giving it back is
   * cheap. */
  if (self->next == self->end && self->size > KEEP_WINDOW)
    parallel_window_clear (self);
}
