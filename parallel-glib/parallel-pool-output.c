/* parallel-pool-output.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-pool.h"

#include "parallel-agent-link.h"
#include "parallel-engine.h"

/* What a worker prints: whose it is, and where that of a step ends. */

/* What it says before its first step and between steps is kept for the next one. */
#define MAX_EARLY  (64 * 1024)

/* How long the output of a step may take after its result, where something forwards both. */
#define MARK_TIME  (10 * G_USEC_PER_SEC)

static ParallelPoolRequest *
find_unmarked (ParallelPoolWorker *self)
{
  for (GList *l = self->requests.head; l != NULL; l = l->next)
    {
      ParallelPoolRequest *request = l->data;

      if (!request->marked)
        return request;
    }

  return NULL;
}

ParallelStep *
parallel_pool_worker_get_current_step (ParallelPoolWorker *self)
{
  ParallelPoolRequest *request = find_unmarked (self);

  /* The worker is ahead of what was heard of it; it has said that the one before is over. It may have
   * said more: what was the current one may be gone. */
  if (request != NULL && !request->begun)
    {
      parallel_worker_link_read_answers (self->link);
      request = find_unmarked (self);
    }
  if (request == NULL)
    return g_queue_is_empty (&self->requests) ? self->onexit : NULL;

  return request->begun ? request->step : NULL;
}

/* It does not stop the step itself: whoever gives out output goes on with the worker and its step. */
static void
append_to (ParallelPoolWorker   *self,
           ParallelStep         *step,
           ParallelOutputStream  stream,
           const guint8         *data,
           gsize                 size)
{
  g_autoptr (ParallelOutput) output = parallel_step_dup_stream (step, stream);
  g_autoptr (GError) error = NULL;

  if (output == NULL)
    return;

  if (!parallel_output_append (output, data, size, &error) && !parallel_step_is_being_stopped (step))
    self->pool->host_class->stop (self->pool->host, step, g_steal_pointer (&error));
  parallel_step_wrote (step, stream);
}

typedef struct
{
  ParallelPoolWorker *worker;
  ParallelStep       *step;
} Place;

static void
append_piece (gpointer              user_data,
              ParallelOutputStream  stream,
              const guint8         *data,
              gsize                 size)
{
  Place *place = user_data;

  append_to (place->worker, place->step, stream, data, size);
}

static void
append_output (ParallelPoolWorker *self,
               ParallelStep       *step,
               const guint8       *data,
               gsize               size)
{
  if (parallel_worker_task_has_pieces (self->pool->task))
    parallel_pieces_feed (&self->pieces, data, size, append_piece, &(Place) { self, step });
  else
    append_to (self, step, PARALLEL_OUTPUT_STREAM_STDOUT, data, size);
}

void
parallel_pool_worker_show_early (ParallelPoolWorker *self,
                                 ParallelStep       *step)
{
  if (self->early->len == 0)
    return;

  /* What programs print is in pieces, and comes only while they run: these are the words of somebody else. */
  if (parallel_worker_task_has_pieces (self->pool->task))
    {
      g_byte_array_set_size (self->early, 0);
      return;
    }

  append_output (self, step, self->early->data, self->early->len);
  g_byte_array_set_size (self->early, 0);
}

void
parallel_pool_worker_take_output (gpointer      owner,
                                  const guint8 *data,
                                  gsize         size)
{
  ParallelPoolWorker *self = owner;
  ParallelStep *step;

  if (self->relay_words != NULL)
    {
      g_string_append_len (self->relay_words, (const char *) data, size);
      return;
    }

  step = parallel_pool_worker_get_current_step (self);
  if (parallel_worker_task_has_pieces (self->pool->task) && !self->has_pieces_only)
    step = NULL;
  if (step == NULL)
    {
      g_byte_array_append (self->early, data, size);
      if (self->early->len > MAX_EARLY)
        g_byte_array_remove_range (self->early, 0, self->early->len - MAX_EARLY);
      return;
    }

  parallel_pool_worker_show_early (self, step);
  append_output (self, step, data, size);
}

static gboolean
unmarked_cb (gpointer user_data)
{
  ParallelPoolWorker *self = user_data;
  ParallelPoolRequest *request;

  g_clear_pointer (&self->mark_timer, g_source_unref);
  /* This process may have been stopped itself, and not have read for so long. */
  parallel_worker_link_read_output (self->link);

  request = g_queue_peek_head (&self->requests);
  if (self->mark_timer == NULL && request != NULL && request->payload != NULL && !request->marked)
    parallel_pool_worker_protest (self, "it has answered a step and not marked the end of the step's output");
  return G_SOURCE_REMOVE;
}

void
parallel_pool_worker_finish_complete (ParallelPoolWorker *self)
{
  ParallelPoolRequest *request;

  while ((request = g_queue_peek_head (&self->requests)) != NULL && request->marked && request->payload != NULL)
    {
      parallel_source_clear (&self->mark_timer);
      if (!request->begun)
        {
          parallel_pool_worker_protest (self, "it has done a step before it was that step’s turn");
          return;
        }
      parallel_worker_pool_finish (self->pool, self);
    }
  if (request != NULL && request->payload != NULL && self->mark_timer == NULL)
    self->mark_timer = parallel_engine_add_timer (g_get_monotonic_time () + MARK_TIME, unmarked_cb, self);
}

void
parallel_pool_worker_take_mark (gpointer owner,
                                guint64  serial)
{
  ParallelPoolWorker *self = owner;
  ParallelPoolRequest *request = find_unmarked (self);

  if (serial == 0)
    {
      self->has_pieces_only = parallel_worker_task_has_pieces (self->pool->task);   /* the setup is over */
      return;
    }
  if (serial == PARALLEL_AGENT_SPEAKS && self->place >= 0)
    {
      if (self->relay_words == NULL)
        self->relay_words = g_string_new (NULL);
      return;
    }
  if (request == NULL || request->serial != serial)
    {
      parallel_pool_worker_protest (self, "it has marked the end of a step that it was not doing");
      return;
    }

  /* Of a step that printed nothing itself, what came before it is still to be had. */
  if (self->early->len > 0)
    parallel_pool_worker_take_output (self, (const guint8 *) "", 0);
  if (find_unmarked (self) != request)
    return;   /* it was taken back, as the worker has not claimed it */
  request->marked = TRUE;
  parallel_pool_worker_finish_complete (self);
}
