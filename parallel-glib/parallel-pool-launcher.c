/* parallel-pool-launcher.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-pool.h"

#include <sys/wait.h>

#include "parallel-agent-link.h"
#include "parallel-engine.h"
#include "parallel-launcher-private.h"
#include "parallel-run-error.h"

/* Where the workers of a pool are, if its task has a launcher. */

static ParallelLauncher *
get_launcher (ParallelWorkerPool *self)
{
  return parallel_worker_task_get_recipe (self->task)->launcher;
}

static void
ready_cb (const GPtrArray *places,
          const GError    *error,
          gpointer         user_data)
{
  ParallelWorkerPool *self = user_data;
  guint n_slots;

  self->is_preparing = FALSE;
  if (error != NULL)
    self->broken = g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN, "No worker can be started: %s",
                                error->message);
  else
    {
      self->place_list = places;
      self->places = parallel_pool_places_new (places);
      n_slots = parallel_pool_places_get_n_slots (self->places);
      if (n_slots > 0)
        self->host_class->set_default_slots (self->host, n_slots);
    }
  if (!self->is_asking)
    parallel_worker_pool_schedule (self);
}

gboolean
parallel_pool_launcher_is_ready (ParallelWorkerPool *self)
{
  ParallelLauncher *launcher = get_launcher (self);

  if (launcher == NULL || self->places != NULL)
    return TRUE;
  if (self->is_preparing)
    return FALSE;

  self->is_preparing = self->is_asking = TRUE;
  parallel_launcher_prepare (launcher, ready_cb, self);
  self->is_asking = FALSE;
  return self->places != NULL;
}

static gboolean
place_cb (gpointer user_data)
{
  ParallelWorkerPool *self = user_data;

  g_clear_pointer (&self->place_timer, g_source_unref);
  parallel_worker_pool_schedule (self);
  return G_SOURCE_REMOVE;
}

gboolean
parallel_pool_launcher_take_place (ParallelWorkerPool *self,
                                   int                *place)
{
  gint64 now = g_get_monotonic_time ();
  gint64 next;

  *place = -1;
  if (self->places == NULL)
    return TRUE;

  *place = parallel_pool_places_take (self->places, now);
  if (*place >= 0)
    return TRUE;

  /* A worker that ends makes room, and has the pool scheduled. */
  next = parallel_pool_places_get_next (self->places, now);
  if (next < G_MAXINT64 && self->place_timer == NULL)
    self->place_timer = parallel_engine_add_timer (next, place_cb, self);
  return FALSE;
}

gboolean
parallel_pool_launcher_blames_place (ParallelWorkerPool *self,
                                     ParallelPoolWorker *worker)
{
  gint64 now = g_get_monotonic_time ();

  if (worker->place < 0 || worker->relay_words == NULL)
    return FALSE;

  parallel_pool_places_set_down (self->places, worker->place, now);
  if (worker->was_up || parallel_pool_places_any_up (self->places, now))
    return TRUE;

  /* There is nothing to be had by waiting: that none can be started anywhere is to be told soon. */
  parallel_pool_places_set_up (self->places, worker->place);
  return FALSE;
}

void
parallel_pool_launcher_forget (ParallelWorkerPool *self)
{
  if (self->is_preparing)
    parallel_launcher_forget (get_launcher (self), self);
  parallel_source_clear (&self->place_timer);
  g_clear_pointer (&self->places, parallel_pool_places_free);
}
