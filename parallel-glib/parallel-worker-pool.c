/* parallel-worker-pool.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-pool.h"

#include <gio/gio.h>

#include "parallel-engine.h"
#include "parallel-fork.h"
#include "parallel-guardian.h"
#include "parallel-run-error.h"
#include "parallel-task-private.h"

/* Which worker does what. */

/* A pool whose workers have failed to start so often, in so short a time or without another that works, gives up. */
#define MAX_FAILED_STARTS     3
#define FAILED_STARTS_WINDOW  (5 * G_USEC_PER_SEC)

/* What waits in front of a worker is no more than it does in this time, in microseconds, and is taken back when it
 * has waited for ten times as long. */
#define AHEAD_TIME            1000
#define AHEAD_MAX             32
#define PATIENCE              (10 * AHEAD_TIME)

/* How much a step counts in what is typical. */
#define WEIGHT                0.125

/* Of ParallelWorkerPool, borrowed: few. */
static GPtrArray *pools;

static ParallelWorkerPool *
find_pool (ParallelTask *task,
           gpointer      host)
{
  for (guint i = 0; pools != NULL && i < pools->len; i++)
    {
      ParallelWorkerPool *pool = g_ptr_array_index (pools, i);

      if (pool->task == PARALLEL_WORKER_TASK (task) && pool->host == host)
        return pool;
    }

  return NULL;
}

/* Which keeps the host. */
static ParallelWorkerPool *
find_pool_of (ParallelTask *task,
              ParallelStep *step)
{
  gpointer host = parallel_step_dup_host (step);
  ParallelWorkerPool *self = find_pool (task, host);

  parallel_step_drop_host (step, host);
  return self;
}

void
parallel_pool_request_free (ParallelPoolRequest *request)
{
  g_clear_pointer (&request->input, g_bytes_unref);
  g_clear_pointer (&request->payload, g_bytes_unref);
  g_free (request);
}

/* ---- beginning and ending ---- */

ParallelBegin
parallel_worker_pool_begin (ParallelWorkerPool  *self,
                            ParallelPoolRequest *request,
                            gboolean             runs)
{
  ParallelBegin begin = self->host_class->begin (self->host, request->step, runs);

  request->begun = begin == PARALLEL_BEGIN_BEGUN;
  if (begin == PARALLEL_BEGIN_GONE)
    parallel_pool_request_free (request);

  return begin;
}

static void
learn (ParallelWorkerPool *self,
       gint64              duration)
{
  guint ahead;

  if (self->typical < 0)
    self->typical = duration;
  else
    self->typical += WEIGHT * (duration - self->typical);

  /* In few different sizes, since the run is told of each. */
  ahead = self->typical > AHEAD_TIME / 2 ? 0 : MIN (AHEAD_MAX, AHEAD_TIME / MAX (self->typical, 1));
  while ((ahead & (ahead - 1)) != 0)
    ahead &= ahead - 1;
  if (ahead * self->workers->len == self->ahead)
    return;
  self->ahead = ahead * self->workers->len;
  self->host_class->set_ahead (self->host, self->ahead);
}

/* For one worker; of those that the host was told of there may be fewer now. */
static guint
get_depth (ParallelWorkerPool *self)
{
  return MIN (AHEAD_MAX, self->ahead / self->workers->len);
}

static void
begin_next (ParallelWorkerPool *self,
            ParallelPoolWorker *worker)
{
  ParallelPoolRequest *next = g_queue_peek_head (&worker->requests);

  parallel_worker_pool_begin (self, next, TRUE);
  parallel_pool_worker_show (worker, next->step);
}

void
parallel_worker_pool_finish (ParallelWorkerPool *self,
                             ParallelPoolWorker *worker)
{
  ParallelPoolRequest *request = g_queue_pop_head (&worker->requests);
  gboolean has_next = !g_queue_is_empty (&worker->requests);
  gint64 now = g_get_monotonic_time ();
  ParallelOutcome outcome;
  guint64 serial;
  GError *error;

  learn (self, now - worker->began);
  worker->began = now;
  worker->n_done++;

  parallel_frame_parse_result (request->payload, &serial, &outcome, NULL);
  error = parallel_worker_task_decode (self->task, request->step, request->payload, &outcome);
  if (has_next)
    self->host_class->reserve (self->host);
  parallel_step_end (request->step, error);
  parallel_pool_request_free (request);
  if (has_next)
    {
      self->host_class->unreserve (self->host);
      begin_next (self, worker);
    }

  parallel_worker_pool_schedule (self);
}

/* ---- giving out ---- */

static gboolean
is_worn (ParallelWorkerPool *self,
         ParallelPoolWorker *worker)
{
  guint max = parallel_worker_task_get_max_steps_per_worker (self->task);

  return max > 0 && worker->n_done + worker->requests.length >= max;
}

static guint
get_room (ParallelWorkerPool *self,
          ParallelPoolWorker *worker)
{
  guint max = parallel_worker_task_get_max_steps_per_worker (self->task);
  guint depth = get_depth (self);
  guint room = worker->requests.length < 1 + depth / 2 ? 1 + depth - worker->requests.length : 0;

  return max > 0 ? MIN (room, max - worker->n_done - worker->requests.length) : room;
}

/* The next that may begin; NULL when there is none, or no slot for it. */
static ParallelPoolRequest *
pop_begun (ParallelWorkerPool *self)
{
  ParallelPoolRequest *request;

  while ((request = g_queue_peek_head (&self->queue)) != NULL)
    {
      ParallelBegin begin;

      g_queue_pop_head (&self->queue);
      if (request->begun)
        return request;   /* its worker had not come to it */
      begin = parallel_worker_pool_begin (self, request, FALSE);
      if (begin == PARALLEL_BEGIN_BEGUN)
        return request;
      if (begin == PARALLEL_BEGIN_NO_SLOT)
        {
          g_queue_push_head (&self->queue, request);
          return NULL;
        }
    }

  return NULL;
}

static ParallelPoolRequest *
peek (ParallelWorkerPool *self)
{
  return g_queue_peek_head (&self->queue);
}

/* Fills up what @worker has to do. FALSE: there is no slot, or nothing to do. */
static gboolean
fill (ParallelWorkerPool *self,
      ParallelPoolWorker *worker)
{
  ParallelPoolRequest *requests[AHEAD_MAX + 1];
  guint n = 0;
  guint room;

  if (!parallel_pool_worker_is_up (worker))
    return TRUE;
  if (is_worn (self, worker))
    {
      if (g_queue_is_empty (&worker->requests))
        parallel_pool_worker_leave (worker);
      return TRUE;
    }

  room = get_room (self, worker);
  if (room > 1 && worker->can_claim && !parallel_pool_worker_reads_claims (worker))
    {
      parallel_pool_worker_protest (worker, "it does steps that it has not claimed");
      return TRUE;
    }
  if (parallel_pool_worker_is_idle (worker))
    {
      if (worker->n_done > 0 && parallel_worker_link_has_hung_up (worker->link))
        return TRUE;   /* that comes next */
      requests[0] = pop_begun (self);
      if (requests[0] == NULL)
        return FALSE;
      parallel_pool_worker_show (worker, requests[0]->step);
      n = 1;
    }
  while (n < room && worker->can_claim && self->queue.length > 0 && !peek (self)->begun)
    requests[n++] = g_queue_pop_head (&self->queue);

  if (n > 0)
    parallel_pool_worker_give (worker, requests, n);
  return TRUE;
}

static gboolean
tick_cb (gpointer user_data)
{
  ParallelWorkerPool *self = user_data;
  gint64 now = g_get_monotonic_time ();
  gboolean some_wait = FALSE;

  for (guint i = 0; i < self->workers->len; i++)
    {
      ParallelPoolWorker *worker = g_ptr_array_index (self->workers, i);

      if (worker->requests.length > 1 && now - worker->began >= PATIENCE)
        {
          learn (self, now - worker->began);
          parallel_pool_worker_recall (worker);
        }
      some_wait = some_wait || worker->requests.length > 1;
    }

  if (some_wait)
    g_source_set_ready_time (self->timer, now + PATIENCE);
  else
    g_clear_pointer (&self->timer, g_source_unref);
  parallel_worker_pool_schedule (self);

  return some_wait ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
watch_those_that_wait (ParallelWorkerPool *self)
{
  if (self->timer != NULL)
    return;

  for (guint i = 0; i < self->workers->len; i++)
    {
      ParallelPoolWorker *worker = g_ptr_array_index (self->workers, i);

      if (worker->requests.length > 1)
        {
          self->timer = parallel_engine_add_timer (g_get_monotonic_time () + PATIENCE, tick_cb, self);
          return;
        }
    }
}

/* They are in front, and have their slots. */
static guint
count_begun (ParallelWorkerPool *self)
{
  guint n = 0;

  for (GList *l = self->queue.head; l != NULL && ((ParallelPoolRequest *) l->data)->begun; l = l->next)
    n++;

  return n;
}

/* What is left in the queue has no worker to go to: makes some, as many as may work. */
static void
start_workers (ParallelWorkerPool *self)
{
  guint n_starting = 0;
  guint n_wanted;

  for (guint i = 0; i < self->workers->len; i++)
    {
      ParallelPoolWorker *worker = g_ptr_array_index (self->workers, i);

      n_starting += worker->state == PARALLEL_POOL_WORKER_STARTING;
    }

  n_wanted = MIN (self->queue.length, count_begun (self) + self->host_class->get_slots (self->host));
  while (n_starting < n_wanted && self->broken == NULL)
    {
      GError *error = NULL;
      int place;

      if (!parallel_pool_launcher_take_place (self, &place))
        break;
      if (parallel_pool_worker_start (self, place, &error))
        n_starting++;
      else
        parallel_worker_pool_start_failed (self, error);
    }
}

static void
fail_queue (ParallelWorkerPool *self)
{
  ParallelPoolRequest *request;

  while ((request = pop_begun (self)) != NULL)
    {
      ParallelStep *step = request->step;

      parallel_pool_request_free (request);
      parallel_step_end (step, g_error_copy (self->broken));
    }
}

void
parallel_worker_pool_schedule (ParallelWorkerPool *self)
{
  gboolean ready = self->queue.length > 0 && parallel_pool_launcher_is_ready (self);

  if (self->broken != NULL)
    {
      fail_queue (self);
      return;
    }

  /* Those that have nothing to do come first. */
  for (guint i = 0; i < self->workers->len; i++)
    if (parallel_pool_worker_is_idle (g_ptr_array_index (self->workers, i)) &&
        !fill (self, g_ptr_array_index (self->workers, i)))
      break;
  if (self->queue.length > 0 && ready)
    start_workers (self);
  for (guint i = 0; i < self->workers->len && self->queue.length > 0; i++)
    fill (self, g_ptr_array_index (self->workers, i));
  watch_those_that_wait (self);

  /* None could even be tried, and nobody else will come here. */
  if (self->broken != NULL)
    fail_queue (self);
}

/* ---- workers that do not come to work ---- */

static gboolean
has_worker_up (ParallelWorkerPool *self)
{
  for (guint i = 0; i < self->workers->len; i++)
    if (((ParallelPoolWorker *) g_ptr_array_index (self->workers, i))->state == PARALLEL_POOL_WORKER_UP)
      return TRUE;

  return FALSE;
}

void
parallel_worker_pool_start_failed (ParallelWorkerPool *self,
                                   GError             *error)
{
  gint64 now = g_get_monotonic_time ();
  gint64 *oldest;
  gboolean others = has_worker_up (self);
  /* What took so long once is not waited for again. */
  gboolean too_long = !others && g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);

  self->failed_starts[self->n_failed_starts++ % MAX_FAILED_STARTS] = now;
  oldest = &self->failed_starts[self->n_failed_starts % MAX_FAILED_STARTS];
  if (self->broken == NULL &&
      (too_long || (self->n_failed_starts >= MAX_FAILED_STARTS && (now - *oldest <= FAILED_STARTS_WINDOW || !others))))
    {
      self->broken = g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN,
                                  "No worker can be started (tried %u time%s): %s", self->n_failed_starts,
                                  self->n_failed_starts == 1 ? "" : "s",
                                  error->message);
    }
  g_error_free (error);
}

static void
free_if_closed (ParallelWorkerPool *self)
{
  gpointer host = self->host;

  if (!self->closing || self->workers->len > 0)
    return;

  g_ptr_array_remove (pools, self);
  parallel_source_clear (&self->timer);
  parallel_pool_launcher_forget (self);
  g_ptr_array_unref (self->workers);
  g_clear_error (&self->broken);
  self->host_class->closed (host);
  self->host_class->unref (host);
  g_free (self);
}

void
parallel_worker_pool_remove (ParallelWorkerPool *self,
                             ParallelPoolWorker *worker)
{
  g_ptr_array_remove (self->workers, worker);
  if (worker->place >= 0)
    parallel_pool_places_give_back (self->places, worker->place);
  parallel_pool_worker_free (worker);
  parallel_worker_pool_schedule (self);
  free_if_closed (self);
}

/* ---- what the run wants ---- */

static void
guardian_ready (void)
{
  for (guint i = 0; pools != NULL && i < pools->len; i++)
    parallel_worker_pool_schedule (g_ptr_array_index (pools, i));
}

static void
forked (void)
{
  pools = NULL;
}

static ParallelWorkerPool *
ensure_pool (ParallelTask *task,
             ParallelStep *step)
{
  ParallelWorkerPool *self = find_pool_of (task, step);

  if (self != NULL)
    return self;

  parallel_fork_add_once (forked);
  if (pools == NULL)
    pools = g_ptr_array_new ();
  self = g_new0 (ParallelWorkerPool, 1);
  self->task = PARALLEL_WORKER_TASK (task);
  self->host = parallel_step_dup_host (step);
  self->host_class = step->host_class;
  self->workers = g_ptr_array_new ();
  self->typical = -1;
  g_queue_init (&self->queue);
  g_ptr_array_add (pools, self);

  return self;
}

void
parallel_worker_pool_hand (ParallelTask *task,
                           ParallelStep *step)
{
  ParallelWorkerPool *self = ensure_pool (task, step);
  ParallelPoolRequest *request = g_new0 (ParallelPoolRequest, 1);

  request->step = step;
  request->input = parallel_worker_task_encode (self->task, step);
  g_queue_push_tail (&self->queue, request);

  if (parallel_guardian_prepare (guardian_ready))
    parallel_worker_pool_schedule (self);
}

static ParallelPoolWorker *
find_worker (ParallelWorkerPool *self,
             ParallelStep       *step)
{
  for (guint i = 0; i < self->workers->len; i++)
    {
      ParallelPoolWorker *worker = g_ptr_array_index (self->workers, i);
      ParallelPoolRequest *request = g_queue_peek_head (&worker->requests);

      if (worker->onexit == step || (request != NULL && request->step == step))
        return worker;
    }

  return NULL;
}

/* It has begun, but no worker has come to it. */
static void
end_queued (ParallelWorkerPool *self,
            ParallelStep       *step)
{
  for (GList *l = self->queue.head; l != NULL; l = l->next)
    {
      ParallelPoolRequest *request = l->data;

      if (request->step != step || !request->begun)
        continue;
      g_queue_delete_link (&self->queue, l);
      parallel_pool_request_free (request);
      parallel_step_end (step, NULL);   /* with the reason for the stop */
      return;
    }
}

void
parallel_worker_pool_stop_step (ParallelTask *task,
                                ParallelStep *step)
{
  ParallelWorkerPool *self = find_pool_of (task, step);
  ParallelPoolWorker *worker = self != NULL ? find_worker (self, step) : NULL;
  ParallelStepLimits limits = parallel_step_get_attempt_limits (step);

  if (self == NULL)
    return;

  /* If the worker has not come to it, or is past it, it need not die. After the recall it gets to nothing more. */
  if (worker != NULL)
    {
      parallel_pool_worker_recall (worker);
      parallel_worker_link_read_answers (worker->link);
    }
  if (find_worker (self, step) == NULL)
    end_queued (self, step);
  else
    parallel_pool_worker_stop (worker, limits.stop_sequence, limits.kill_grace);
  parallel_worker_pool_schedule (self);
}

void
parallel_worker_pool_wake (ParallelTask *task,
                           gpointer      host)
{
  ParallelWorkerPool *self = find_pool (task, host);

  if (self != NULL)
    parallel_worker_pool_schedule (self);
}

void
parallel_worker_pool_recall (ParallelTask *task,
                             gpointer      host)
{
  ParallelWorkerPool *self = find_pool (task, host);
  GList *previous;

  if (self == NULL)
    return;

  for (guint i = self->workers->len; i > 0; i--)
    parallel_pool_worker_recall (g_ptr_array_index (self->workers, i - 1));
  for (GList *l = self->queue.tail; l != NULL; l = previous)
    {
      ParallelPoolRequest *request = l->data;
      ParallelStep *step = request->step;

      previous = l->prev;
      if (request->begun)
        continue;
      g_queue_delete_link (&self->queue, l);
      parallel_pool_request_free (request);
      self->host_class->give_back (self->host, step);
    }
  parallel_worker_pool_schedule (self);
}

gboolean
parallel_worker_pool_close (ParallelTask *task,
                            gpointer      host)
{
  ParallelWorkerPool *self = find_pool (task, host);

  if (self == NULL)
    return FALSE;

  self->closing = TRUE;
  for (guint i = 0; i < self->workers->len; i++)
    parallel_pool_worker_leave (g_ptr_array_index (self->workers, i));
  free_if_closed (self);
  return TRUE;
}
