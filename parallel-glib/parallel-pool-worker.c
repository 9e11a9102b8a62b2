/* parallel-pool-worker.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-fd.h"
#include "parallel-run-error.h"

/* One worker, while it lives: what is said to it and what it answers. */

/* A worker that has nothing more to do, or has closed its input or its answers, ends in this time, or is killed; but
 * not its onexit, which has the run's exit timeout. One that is not ready yet has nothing to put away. */
#define LEAVE_TIME         (10 * G_USEC_PER_SEC)
#define LEAVE_TIME_UNREADY (1 * G_USEC_PER_SEC)

/* ---- what is said to it ---- */

static void
send_head (ParallelPoolWorker *self,
           ParallelFrameKind   kind,
           gsize               size)
{
  g_autoptr (GByteArray) head = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;

  parallel_frame_put_head (head, kind, size);
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&head));
  parallel_worker_link_send (self->link, bytes);
}

/* ---- what is wrong with it ---- */

/* It is of no use any more: kills it. Takes @error, which is what its step ends with. */
static void
give_up (ParallelPoolWorker *self,
         GError             *error)
{
  if (self->fault == NULL)
    self->fault = error;
  else
    g_error_free (error);

  parallel_pool_worker_stop (self, "KILL", 0);
}

void
parallel_pool_worker_protest (ParallelPoolWorker *self,
                              const char         *text)
{
  give_up (self, g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT,
                              "The worker (pid %d) was killed because it does not keep to the worker protocol: %s",
                              self->process.pid, text));
}

/* ---- its answers ---- */

/* The one that the answers are of now, which may be another one than that of the output. */
static ParallelPoolRequest *
find_unanswered (ParallelPoolWorker *self)
{
  for (GList *l = self->requests.head; l != NULL; l = l->next)
    {
      ParallelPoolRequest *request = l->data;

      if (request->payload == NULL)
        return request;
    }

  return NULL;
}

static void
become_up (ParallelPoolWorker *self)
{
  if (self->exited)
    return;   /* the last that was heard of it */

  /* Its word may be there before its server's, who it is. */
  self->is_ready = TRUE;
  if (self->process.pid == 0)
    return;

  parallel_source_clear (&self->timer);
  self->state = PARALLEL_POOL_WORKER_UP;
  self->was_up = TRUE;
  self->pool->n_failed_starts = 0;
  if (self->place >= 0)
    parallel_pool_places_set_up (self->pool->places, self->place);
  parallel_worker_pool_schedule (self->pool);
}

static void
ready (ParallelPoolWorker  *self,
       GBytes              *payload,
       GError             **error)
{
  ParallelFrameReady hello;

  if (!parallel_frame_parse_ready (payload, &hello, error))
    return;

  self->can_claim = self->claim_fds[0] >= 0 && (hello.descriptors & PARALLEL_FRAME_HAS_CLAIMS) != 0;
  self->stack_signal = (hello.descriptors & PARALLEL_FRAME_HAS_STACKS) != 0 ? hello.stack_signal : 0;
  parallel_worker_link_set_limit (self->link, parallel_worker_task_get_frame_limit (self->pool->task));
  if (parallel_worker_task_get_setup (self->pool->task) == NULL)
    become_up (self);
}

static void
set_up (ParallelPoolWorker  *self,
        GBytes              *payload,
        GError             **error)
{
  ParallelOutcome outcome;
  g_autofree char *text = NULL;

  if (!parallel_frame_parse_outcome (payload, &outcome, error))
    return;
  if (outcome.kind != PARALLEL_OUTCOME_FAILED)
    {
      become_up (self);
      return;
    }

  text = g_utf8_make_valid ((const char *) outcome.message, outcome.message_size);
  self->fault = g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED, "%s", text);
  parallel_pool_worker_leave (self);
}

static void
result (ParallelPoolWorker  *self,
        GBytes              *payload,
        GError             **error)
{
  ParallelPoolRequest *request;
  ParallelOutcome outcome;
  guint64 serial;

  if (!parallel_frame_parse_result (payload, &serial, &outcome, error))
    return;
  request = parallel_pool_worker_find (self, serial);
  if (request == NULL || request->payload != NULL || outcome.kind == PARALLEL_OUTCOME_NOTHING)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "it has answered what it was not asked");
      return;
    }

  request->payload = g_bytes_ref (payload);
  if (!request->marked)
    parallel_worker_link_read_output (self->link);
  parallel_pool_worker_finish_complete (self);
}

static void
alive (ParallelPoolWorker  *self,
       GBytes              *payload,
       GError             **error)
{
  ParallelPoolRequest *request = find_unanswered (self);
  ParallelStep *step = g_queue_is_empty (&self->requests) ? self->onexit : NULL;
  double progress;
  const char *status;
  gsize size;

  if (request != NULL && request->begun)
    step = request->step;
  if (!parallel_frame_parse_alive (payload, &progress, &status, &size, error) || step == NULL)
    return;

  parallel_step_heartbeat (step);
  if (progress >= 0)
    parallel_step_set_progress (step, MIN (progress, 1));
  if (size > 0)
    {
      g_autofree char *text = g_utf8_make_valid (status, size);

      parallel_step_set_status (step, text);
    }
}

/* ---- what it has no time for ---- */

static void
set_timer (ParallelPoolWorker *self,
           gint64              delay,
           GSourceFunc         func)
{
  parallel_source_clear (&self->timer);
  self->timer = parallel_engine_add_timer (g_get_monotonic_time () + delay, func, self);
}

static gboolean
unready_cb (gpointer user_data)
{
  ParallelPoolWorker *self = user_data;
  g_autofree char *who = self->process.pid == 0 ? g_strdup ("its server has not made it")
                         : g_strdup_printf ("the worker, pid %d, was killed", self->process.pid);

  g_clear_pointer (&self->timer, g_source_unref);
  give_up (self, g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT,
                              "It was not ready, with its setup done, after %g s, the task’s start timeout (%s)",
                              parallel_worker_task_get_start_timeout (self->pool->task), who));
  return G_SOURCE_REMOVE;
}

static gint64
get_leave_time (ParallelPoolWorker *self)
{
  return self->was_up ? LEAVE_TIME : LEAVE_TIME_UNREADY;
}

static gboolean
overdue_cb (gpointer user_data)
{
  ParallelPoolWorker *self = user_data;
  gboolean left = self->state >= PARALLEL_POOL_WORKER_LEAVING;

  g_clear_pointer (&self->timer, g_source_unref);
  give_up (self, g_error_new (PARALLEL_RUN_ERROR,
                              left ? PARALLEL_RUN_ERROR_EXIT_TIMED_OUT : PARALLEL_RUN_ERROR_UNEXPECTED_EXIT,
                              "The worker (pid %d) had %s and was killed because it did not end within %d s",
                              self->process.pid, left ? "nothing more to do" : "closed its input or its answers",
                              (int) (get_leave_time (self) / G_USEC_PER_SEC)));
  return G_SOURCE_REMOVE;
}

static void
await_end (ParallelPoolWorker *self)
{
  if (self->state < PARALLEL_POOL_WORKER_STOPPING && !self->ending)
    set_timer (self, get_leave_time (self), overdue_cb);
  self->ending = TRUE;
}

/* ---- its frames ---- */

static void
frame_cb (gpointer  owner,
          guint     kind,
          GBytes   *payload)
{
  ParallelPoolWorker *self = owner;
  g_autoptr (GError) error = NULL;
  gboolean starting = self->state == PARALLEL_POOL_WORKER_STARTING;
  ParallelOutcome outcome;

  if (kind == PARALLEL_FRAME_READY && starting)
    ready (self, payload, &error);
  else if (kind == PARALLEL_FRAME_SET_UP && starting)
    set_up (self, payload, &error);
  else if (kind == PARALLEL_FRAME_RESULT)
    result (self, payload, &error);
  else if (kind == PARALLEL_FRAME_ALIVE)
    alive (self, payload, &error);
  else if (kind == PARALLEL_FRAME_LEFT && self->state >= PARALLEL_POOL_WORKER_LEAVING && self->left == NULL)
    {
      if (parallel_frame_parse_outcome (payload, &outcome, &error))
        {
          self->left = g_bytes_ref (payload);
          await_end (self);
        }
    }
  else if ((kind == PARALLEL_FRAME_READY || kind == PARALLEL_FRAME_SET_UP) && !self->was_up &&
           self->state == PARALLEL_POOL_WORKER_LEAVING)
    ;   /* it was not needed any more before it was ready */
  else if (self->state < PARALLEL_POOL_WORKER_STOPPING)
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it has sent a frame of the kind %u, which has no place here",
                 kind);

  if (error != NULL)
    parallel_pool_worker_protest (self, error->message);
}

static void
ended_cb (gpointer owner)
{
  ParallelPoolWorker *self = owner;

  self->deaf = TRUE;
  if (!self->exited)
    await_end (self);
}

static void
broken_cb (gpointer  owner,
           GError   *error)
{
  parallel_pool_worker_protest (owner, error->message);
  g_error_free (error);
}

static const ParallelWorkerLinkFuncs link_funcs =
{
  .frame = frame_cb,
  .output = parallel_pool_worker_take_output,
  .mark = parallel_pool_worker_take_mark,
  .ended = ended_cb,
  .broken = broken_cb,
};

/* ---- its process ---- */

static void
stopped_cb (gpointer    user_data,
            const char *left)
{
  ParallelPoolWorker *self = user_data;
  g_autofree char *signals = parallel_process_stop_dup_signals (self->stop);
  ParallelStep *step = parallel_pool_worker_get_current_step (self);

  if (signals != NULL && step != NULL)
    parallel_step_add_to_stop_reason (step, "its worker was sent ", signals);
  parallel_pool_worker_bury (self, left);
}

static gboolean
forgone_cb (gpointer user_data)
{
  parallel_pool_worker_bury (user_data, NULL);
  return G_SOURCE_REMOVE;
}

/* Its server has not said yet who it is, and may never do so. */
static void
forgo (ParallelPoolWorker *self)
{
  if (self->process.order == NULL)
    return;   /* that is so already */

  parallel_worker_process_cancel (&self->process);
  set_timer (self, 0, forgone_cb);
}

/* Also of one that is dead, for what it has started in its step. */
static void
begin_stop (ParallelPoolWorker *self,
            const char         *text,
            double              grace)
{
  gboolean is_relay = self->place >= 0;
  ParallelTree tree = { self->process.pid, is_relay ? NULL : self->process.mark };
  ParallelStopSequence sequence;

  /* It may go on to the next while it is asked to end. */
  self->state = PARALLEL_POOL_WORKER_STOPPING;
  parallel_pool_worker_recall (self);
  if (self->process.pid == 0)
    {
      forgo (self);
      return;
    }

  parallel_stop_sequence_parse (text, grace, &sequence, NULL);
  self->stop = parallel_process_stop_new (&tree, is_relay, &sequence, stopped_cb, self);
}

void
parallel_pool_worker_stop (ParallelPoolWorker *self,
                           const char         *text,
                           double              grace)
{
  if (self->stop == NULL && !self->exited)
    begin_stop (self, text, grace);
}

static void
started_cb (gpointer owner)
{
  ParallelPoolWorker *self = owner;

  if (self->is_ready)
    become_up (self);
}

static void
failed_cb (gpointer  owner,
           GError   *error)
{
  parallel_pool_worker_miscarry (owner, error);
}

static void
exited_cb (gpointer owner,
           int      wait_status)
{
  ParallelPoolWorker *self = owner;

  self->exited = TRUE;
  self->wait_status = wait_status;
  parallel_worker_link_drain (self->link);
  if (self->stop == NULL && !g_queue_is_empty (&self->requests))
    begin_stop (self, "KILL", 0);   /* what it has started is of no use to anybody */
  if (self->stop != NULL)
    parallel_process_stop_exited (self->stop);
  else
    parallel_pool_worker_bury (self, NULL);
}

static const ParallelWorkerProcessFuncs process_funcs =
{
  .started = started_cb,
  .failed = failed_cb,
  .exited = exited_cb,
};

void
parallel_pool_worker_show (ParallelPoolWorker *self,
                           ParallelStep       *step)
{
  parallel_step_set_process (step, NULL, self->process.pid, self->process.mark);
  if (self->stack_signal != 0)
    parallel_step_set_stacks (step, self->stack_signal, self->stack_fd);
}

void
parallel_pool_worker_leave (ParallelPoolWorker *self)
{
  ParallelWorkerPool *pool = self->pool;
  gboolean has_worked = self->state == PARALLEL_POOL_WORKER_UP && self->n_done > 0;
  gboolean has_onexit = has_worked && parallel_worker_task_get_has_onexit (pool->task);

  if (self->state >= PARALLEL_POOL_WORKER_LEAVING)
    return;

  self->state = PARALLEL_POOL_WORKER_LEAVING;
  if (has_onexit)
    self->onexit = pool->host_class->begin_onexit (pool->host, PARALLEL_TASK (pool->task));
  if (has_worked && (self->onexit != NULL || !has_onexit))
    send_head (self, PARALLEL_FRAME_LEAVE, 0);

  if (self->onexit != NULL)
    {
      parallel_pool_worker_show (self, self->onexit);
      parallel_worker_link_flush (self->link);
    }
  else
    {
      parallel_worker_link_close_input (self->link);
      await_end (self);
    }
}

/* ---- its beginning ---- */

static void
open_extras (ParallelPoolWorker *self,
             int                *stack_fd)
{
  *stack_fd = -1;
  if (!parallel_fd_open_pipe (&self->claim_fds[0], &self->claim_fds[1], O_NONBLOCK))
    self->claim_fds[0] = self->claim_fds[1] = -1;
  if (!parallel_fd_open_pipe (&self->stack_fd, stack_fd, O_NONBLOCK))
    self->stack_fd = *stack_fd = -1;
}

static gboolean
greet (ParallelPoolWorker  *self,
       const guint8        *token,
       GError             **error)
{
  ParallelFrameStart hello = { .frame_limit = parallel_worker_task_get_frame_limit (self->pool->task), .token = token };
  GBytes *setup = parallel_worker_task_get_setup (self->pool->task);
  g_autoptr (GByteArray) head = g_byte_array_new ();
  int fds[2];
  guint n_fds = 0;
  int stack_fd;
  gboolean success;

  open_extras (self, &stack_fd);
  if (self->claim_fds[0] >= 0)
    {
      hello.descriptors |= PARALLEL_FRAME_HAS_CLAIMS;
      fds[n_fds++] = self->claim_fds[0];
    }
  if (stack_fd >= 0)
    {
      hello.descriptors |= PARALLEL_FRAME_HAS_STACKS;
      fds[n_fds++] = stack_fd;
    }
  parallel_frame_put_start (head, &hello);
  success = parallel_worker_link_start (self->link, head, fds, n_fds);
  if (!success)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "The worker could not be greeted: %s",
                 g_strerror (errno));
  parallel_fd_clear (&stack_fd);

  if (success && setup != NULL)
    {
      send_head (self, PARALLEL_FRAME_SETUP, g_bytes_get_size (setup));
      parallel_worker_link_send (self->link, setup);
      parallel_worker_link_flush (self->link);
    }
  return success;
}

static gboolean
check_setup (ParallelWorkerTask  *task,
             GError             **error)
{
  GBytes *setup = parallel_worker_task_get_setup (task);
  guint limit = parallel_worker_task_get_frame_limit (task);

  if (setup == NULL || g_bytes_get_size (setup) < limit)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "The setup has %" G_GSIZE_FORMAT " bytes, and a worker takes no more than the task’s frame limit, %u",
               g_bytes_get_size (setup), limit);
  return FALSE;
}

static void
make_token (guint8 *token)
{
  for (gsize i = 0; i < PARALLEL_FRAME_TOKEN_SIZE; i += sizeof (guint32))
    {
      guint32 number = g_random_int ();

      memcpy (token + i, &number, sizeof number);
    }
}

gboolean
parallel_pool_worker_start (ParallelWorkerPool  *pool,
                            int                  place,
                            GError             **error)
{
  ParallelPoolWorker *self;
  guint8 token[PARALLEL_FRAME_TOKEN_SIZE];
  double timeout = parallel_worker_task_get_start_timeout (pool->task);
  GError *local_error = NULL;

  if (!check_setup (pool->task, error))
    {
      if (place >= 0)
        parallel_pool_places_give_back (pool->places, place);
      return FALSE;
    }

  make_token (token);
  self = g_new0 (ParallelPoolWorker, 1);
  self->pool = pool;
  self->place = place;
  self->claim_fds[0] = self->claim_fds[1] = self->stack_fd = -1;
  self->early = g_byte_array_new ();
  g_queue_init (&self->requests);
  if (!parallel_worker_process_start (&self->process, parallel_worker_task_get_recipe (pool->task),
                                      place >= 0 ? g_ptr_array_index (pool->place_list, place) : NULL, &process_funcs,
                                      self, error))
    {
      if (place >= 0)
        parallel_pool_places_give_back (pool->places, place);
      parallel_pool_worker_free (self);
      return FALSE;
    }

  self->link = parallel_worker_link_new (self->process.input_fd, self->process.answers_fd, self->process.output_fd,
                                         token, &link_funcs, self);
  self->process.input_fd = self->process.answers_fd = self->process.output_fd = -1;
  g_ptr_array_add (pool->workers, self);
  if (timeout > 0)
    set_timer (self, (gint64) (MIN (timeout, 1e9) * G_USEC_PER_SEC), unready_cb);
  if (!greet (self, token, &local_error))
    give_up (self, local_error);

  return TRUE;
}

void
parallel_pool_worker_free (ParallelPoolWorker *self)
{
  parallel_source_clear (&self->timer);
  parallel_source_clear (&self->mark_timer);
  g_clear_pointer (&self->stop, parallel_process_stop_free);
  g_clear_pointer (&self->link, parallel_worker_link_free);
  parallel_worker_process_clear (&self->process);
  parallel_fd_clear (&self->claim_fds[0]);
  parallel_fd_clear (&self->claim_fds[1]);
  parallel_fd_clear (&self->stack_fd);
  g_queue_clear_full (&self->requests, (GDestroyNotify) parallel_pool_request_free);
  g_byte_array_unref (self->early);
  g_clear_pointer (&self->left, g_bytes_unref);
  g_clear_error (&self->fault);
  if (self->relay_words != NULL)
    g_string_free (self->relay_words, TRUE);
  g_free (self);
}
