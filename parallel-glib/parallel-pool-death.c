/* parallel-pool-death.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-pool.h"

#include <gio/gio.h>
#include <sys/wait.h>

#include "parallel-launcher-private.h"
#include "parallel-run-error.h"

/* What becomes of a worker's steps when it has ended, and how that is called. */

/* "exited with status 3", "was killed by signal 9 (Killed)". */
static char *
describe_status (ParallelPoolWorker *self)
{
  int status = self->wait_status;

  if (status == PARALLEL_EXIT_LOST)
    return g_strdup ("ended, and its exit status was lost");
  if (WIFEXITED (status))
    return g_strdup_printf ("exited with status %d", WEXITSTATUS (status));

  return g_strdup_printf ("was ended by signal %d (%s)%s", WTERMSIG (status), g_strsignal (WTERMSIG (status)),
                          WCOREDUMP (status) ? ", with a core dump" : "");
}

static gboolean
ended_well (ParallelPoolWorker *self)
{
  return self->exited && self->wait_status != PARALLEL_EXIT_LOST && WIFEXITED (self->wait_status) &&
         WEXITSTATUS (self->wait_status) == 0;
}

/* "(pid 123)", or, since a process of this machine says nothing then, "on n1". */
static char *
describe_worker (ParallelPoolWorker *self)
{
  const ParallelPlace *place = self->place >= 0 ? g_ptr_array_index (self->pool->place_list, self->place) : NULL;

  if (place != NULL && place->node != NULL)
    return g_strdup_printf ("on %s", place->node);

  return g_strdup_printf ("(pid %d)", self->process.pid);
}

static GError *
unexpected_error (ParallelPoolWorker *self,
                  const char         *when)
{
  g_autofree char *who = describe_worker (self);
  g_autofree char *what = NULL;

  if (self->fault != NULL)
    return g_error_copy (self->fault);
  if (self->relay_words != NULL)
    {
      g_autofree char *words = g_utf8_make_valid (self->relay_words->str, self->relay_words->len);

      return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT, "The worker %s", g_strstrip (words));
    }
  if (!self->exited)
    return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT,
                        "The worker %s does not end although it was killed", who);

  what = describe_status (self);
  return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT, "The worker %s %s %s", who, what, when);
}

static void
set_exit (ParallelPoolWorker *self,
          ParallelStep       *step)
{
  if (!self->exited || self->relay_words != NULL || self->wait_status == PARALLEL_EXIT_LOST)
    return;

  if (WIFEXITED (self->wait_status))
    parallel_step_set_exit (step, WEXITSTATUS (self->wait_status), 0);
  else
    parallel_step_set_exit (step, -1, WTERMSIG (self->wait_status));
}

static void
end_step (ParallelPoolWorker *self,
          ParallelStep       *step,
          const char         *when,
          const char         *left)
{
  parallel_pool_worker_show_early (self, step);
  set_exit (self, step);
  if (left != NULL)
    parallel_step_add_to_stop_reason (step, "not all of its worker’s processes ended although they were killed: ", left);
  parallel_step_end (step, unexpected_error (self, when));
}

/* Those that it has not begun go to others. The one that it was doing fails; that may be one
 * whose predecessor's end was the last that was heard of the worker. */
static void
end_requests (ParallelPoolWorker *self,
              const char         *left)
{
  ParallelPoolRequest *request;

  while ((request = g_queue_pop_head (&self->requests)) != NULL)
    {
      ParallelStep *step = request->step;

      if (request->begun || parallel_worker_pool_begin (self->pool, request, TRUE) == PARALLEL_BEGIN_BEGUN)
        {
          parallel_pool_request_free (request);
          end_step (self, step, "while it was doing the step", left);
        }
    }
}

/* Whether something went wrong that nobody would hear of otherwise. @state: the one in which it ended. */
static gboolean
is_worth_a_step (ParallelPoolWorker      *self,
                 ParallelPoolWorkerState  state)
{
  if (self->n_done == 0)
    return FALSE;
  if (self->fault != NULL)
    return TRUE;
  if (state == PARALLEL_POOL_WORKER_UP)
    return parallel_worker_task_get_has_onexit (self->pool->task);

  return state == PARALLEL_POOL_WORKER_LEAVING && !ended_well (self);
}

static void
end_onexit (ParallelPoolWorker      *self,
            ParallelPoolWorkerState  state,
            const char              *left)
{
  ParallelWorkerPool *pool = self->pool;
  ParallelStep *step = g_steal_pointer (&self->onexit);
  ParallelOutcome outcome;

  if (step == NULL && !is_worth_a_step (self, state))
    return;
  if (step == NULL)
    step = pool->host_class->begin_onexit (pool->host, PARALLEL_TASK (pool->task));
  if (step == NULL)
    return;

  parallel_pool_worker_show_early (self, step);
  set_exit (self, step);
  if (self->left != NULL && ended_well (self) && parallel_frame_parse_outcome (self->left, &outcome, NULL))
    parallel_step_end (step, outcome.kind == PARALLEL_OUTCOME_FAILED
                             ? parallel_worker_task_decode (pool->task, step, self->left, &outcome) : NULL);
  else
    end_step (self, step, "when it had done its steps", left);
}

static void
fail_start (ParallelPoolWorker *self)
{
  g_autofree char *said = NULL;
  GError *error = unexpected_error (self, "before it was ready");

  if (self->early->len > 0)
    {
      g_autofree char *text = g_utf8_make_valid ((const char *) self->early->data, self->early->len);

      said = g_strdup_printf (": %s", g_strstrip (text));
    }
  if (said != NULL)
    {
      GError *more = g_error_new (error->domain, error->code, "%s%s", error->message, said);

      g_error_free (error);
      error = more;
    }
  parallel_worker_pool_start_failed (self->pool, error);
}

void
parallel_pool_worker_bury (ParallelPoolWorker *self,
                           const char         *left)
{
  ParallelPoolWorkerState state = self->state;

  if (!self->exited)
    parallel_worker_link_drain (self->link);
  self->state = PARALLEL_POOL_WORKER_STOPPING;
  parallel_pool_worker_recall (self);

  if (!g_queue_is_empty (&self->requests))
    end_requests (self, left);
  else
    end_onexit (self, state, left);
  if (!parallel_pool_launcher_blames_place (self->pool, self) && !self->was_up && !self->pool->closing)
    fail_start (self);

  parallel_worker_pool_remove (self->pool, self);
}

void
parallel_pool_worker_miscarry (ParallelPoolWorker *self,
                               GError             *error)
{
  g_clear_error (&self->fault);
  self->fault = error;
  self->wait_status = PARALLEL_EXIT_LOST;
  parallel_pool_worker_bury (self, NULL);
}
