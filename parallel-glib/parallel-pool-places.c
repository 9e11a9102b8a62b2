/* parallel-pool-places.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-pool-places.h"

#include "parallel-launcher-private.h"

#define FIRST_REST (1 * G_USEC_PER_SEC)
#define LAST_REST  (30 * G_USEC_PER_SEC)

typedef struct
{
  guint  n_slots;       /* 0: any number */
  guint  n_workers;
  gint64 down_until;
  gint64 rest;          /* the next time that it is down */
} Place;

struct _ParallelPoolPlaces
{
  guint n_places;
  Place places[];
};

ParallelPoolPlaces *
parallel_pool_places_new (const GPtrArray *places)
{
  ParallelPoolPlaces *self = g_malloc0 (sizeof *self + places->len * sizeof (Place));

  self->n_places = places->len;
  for (guint i = 0; i < places->len; i++)
    {
      self->places[i].n_slots = ((const ParallelPlace *) g_ptr_array_index (places, i))->n_slots;
      self->places[i].rest = FIRST_REST;
    }

  return self;
}

void
parallel_pool_places_free (ParallelPoolPlaces *self)
{
  g_free (self);
}

static gboolean
has_room (const Place *place,
          gint64       now)
{
  return place->down_until <= now && (place->n_slots == 0 || place->n_workers < place->n_slots);
}

/* Of two places the one with the smaller part of its slots in use. */
static gboolean
is_emptier (const Place *a,
            const Place *b)
{
  return (guint64) a->n_workers * MAX (b->n_slots, 1) < (guint64) b->n_workers * MAX (a->n_slots, 1);
}

int
parallel_pool_places_take (ParallelPoolPlaces *self,
                           gint64              now)
{
  int best = -1;

  for (guint i = 0; i < self->n_places; i++)
    if (has_room (&self->places[i], now) && (best < 0 || is_emptier (&self->places[i], &self->places[best])))
      best = i;
  if (best >= 0)
    self->places[best].n_workers++;

  return best;
}

void
parallel_pool_places_give_back (ParallelPoolPlaces *self,
                                guint               index)
{
  self->places[index].n_workers--;
}

void
parallel_pool_places_set_down (ParallelPoolPlaces *self,
                               guint               index,
                               gint64              now)
{
  Place *place = &self->places[index];

  if (place->down_until > now)
    return;   /* another worker of the same place has said so */

  place->down_until = now + place->rest;
  place->rest = MIN (2 * place->rest, LAST_REST);
}

void
parallel_pool_places_set_up (ParallelPoolPlaces *self,
                             guint               index)
{
  self->places[index].down_until = 0;
  self->places[index].rest = FIRST_REST;
}

gboolean
parallel_pool_places_any_up (ParallelPoolPlaces *self,
                             gint64              now)
{
  for (guint i = 0; i < self->n_places; i++)
    if (self->places[i].down_until <= now)
      return TRUE;

  return FALSE;
}

gint64
parallel_pool_places_get_next (ParallelPoolPlaces *self,
                               gint64              now)
{
  gint64 next = G_MAXINT64;

  for (guint i = 0; i < self->n_places; i++)
    if (self->places[i].down_until > now)
      next = MIN (next, self->places[i].down_until);

  return next;
}

guint
parallel_pool_places_get_n_slots (ParallelPoolPlaces *self)
{
  guint n_slots = 0;

  for (guint i = 0; i < self->n_places; i++)
    {
      if (self->places[i].n_slots == 0)
        return 0;
      n_slots += self->places[i].n_slots;
    }

  return n_slots;
}
