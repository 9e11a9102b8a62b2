/* parallel-worker.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker.h"

#include <math.h>
#include <stdio.h>

#include "parallel-run-error.h"
#include "parallel-worker-answer.h"
#include "parallel-worker-channel.h"

/**
 * ParallelWorker:
 *
 * What a program is that is started once and does many steps for a runner, one after the other.
 *
 * ```c
 * int
 * main (int    argc,
 *       char **argv)
 * {
 *   if (parallel_worker_is_wanted (argc, argv))
 *     {
 *       g_autoptr (ParallelWorker) worker = parallel_worker_new ();
 *       g_autoptr (GError) error = NULL;
 *
 *       if (parallel_worker_run (worker, do_step, NULL, &error))
 *         return 0;
 *
 *       g_printerr ("%s\n", error->message);
 *       return 1;
 *     }
 *
 *   ...
 * }
 * ```
 *
 * It speaks the [worker protocol](worker-protocol.html) on its standard input and output, of which the steps see
 * nothing: they read from `/dev/null`, and what they print is the output of their step, in the order in which
 * it was written, whether to the standard output or to the standard error. Nothing may be printed to the
 * standard output before [method@Worker.run].
 *
 * A step that crashes the program is a failed step; the runner starts another worker.
 *
 * ## Threads
 *
 * The functions are called in the thread that calls [method@Worker.run]. [method@Worker.heartbeat] and
 * [method@Worker.report] may be called from any thread.
 */

#define ENVIRONMENT "PARALLEL_GLIB_WORKER"
#define ARGUMENT    "--parallel-worker"

/* What a program may say of a step: so many times at once, and then so many times a second. */
#define MAX_BURST        10
#define REPORTS_A_SECOND 5

#define MAX_STATUS (4 * 1024)

struct _ParallelWorker
{
  GObject                     parent_instance;

  /* Constant while it runs. */
  ParallelWorkerFunction      setup;
  gpointer                    setup_data;
  GDestroyNotify              setup_notify;
  ParallelWorkerExitFunction  onexit;
  gpointer                    onexit_data;
  GDestroyNotify              onexit_notify;
  ParallelWorkerFunction      function;
  gpointer                    function_data;

  /* Of the thread that runs. What is written to the channel is guarded by mutex. */
  ParallelWorkerChannel       channel;
  guint64                     last_serial;
  gboolean                    has_worked;
  GError                     *setup_error;

  /* Guarded by mutex. */
  GMutex                      mutex;
  gboolean                    busy;           /* with what ALIVE can be said of */
  gboolean                    broken;         /* the runner has gone, as a write has found */
  double                      progress;
  char                       *status;
  gboolean                    unsaid;         /* the two have changed since the last ALIVE */
  double                      credit;         /* of reports */
  gint64                      credit_time;    /* monotonic */
  gint64                      alive_time;     /* monotonic, of the last ALIVE */
};

G_DEFINE_FINAL_TYPE (ParallelWorker, parallel_worker, G_TYPE_OBJECT)

static void
clear_function (gpointer       *function,
                gpointer       *data,
                GDestroyNotify *notify)
{
  gpointer old_data = g_steal_pointer (data);
  GDestroyNotify old_notify = *notify;

  *function = NULL;
  *notify = NULL;
  if (old_notify != NULL)
    old_notify (old_data);
}

static void
parallel_worker_finalize (GObject *object)
{
  ParallelWorker *self = PARALLEL_WORKER (object);

  clear_function ((gpointer *) &self->setup, &self->setup_data, &self->setup_notify);
  clear_function ((gpointer *) &self->onexit, &self->onexit_data, &self->onexit_notify);
  g_clear_error (&self->setup_error);
  g_free (self->status);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (parallel_worker_parent_class)->finalize (object);
}

static void
parallel_worker_class_init (ParallelWorkerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = parallel_worker_finalize;
}

static void
parallel_worker_init (ParallelWorker *self)
{
  g_mutex_init (&self->mutex);
}

/**
 * parallel_worker_new:
 *
 * Makes a worker, which does nothing before [method@Worker.run].
 *
 * Returns: (transfer full): the new worker
 */
ParallelWorker *
parallel_worker_new (void)
{
  return g_object_new (PARALLEL_TYPE_WORKER, NULL);
}

/**
 * parallel_worker_is_wanted:
 * @argc: how many arguments there are
 * @argv: (array length=argc) (element-type filename) (nullable): the program's arguments
 *
 * Tells whether the program was started to be a worker, which it is to find out before it does anything
 * else: either the environment variable `PARALLEL_GLIB_WORKER` is 1, or the last argument is `--parallel-worker`.
 *
 * Returns: %TRUE if it is to call [method@Worker.run]
 */
gboolean
parallel_worker_is_wanted (int    argc,
                           char **argv)
{
  if (g_strcmp0 (g_getenv (ENVIRONMENT), "1") == 0)
    return TRUE;

  return argc > 1 && argv != NULL && g_strcmp0 (argv[argc - 1], ARGUMENT) == 0;
}

/**
 * parallel_worker_set_setup:
 * @self: a worker that does not run yet
 * @setup: (scope notified) (closure user_data) (destroy notify): the function
 * @user_data: data for @setup
 * @notify: frees @user_data when the worker is no longer needed
 *
 * Sets a function that is called once, before the first step, with what the runner gives to each of its workers;
 * it is not called if the runner gives nothing. If it fails, the worker gets no steps.
 */
void
parallel_worker_set_setup (ParallelWorker         *self,
                           ParallelWorkerFunction  setup,
                           gpointer                user_data,
                           GDestroyNotify          notify)
{
  g_return_if_fail (PARALLEL_IS_WORKER (self));
  g_return_if_fail (setup != NULL);
  g_return_if_fail (self->function == NULL);

  clear_function ((gpointer *) &self->setup, &self->setup_data, &self->setup_notify);
  self->setup = setup;
  self->setup_data = user_data;
  self->setup_notify = notify;
}

/**
 * parallel_worker_set_onexit:
 * @self: a worker that does not run yet
 * @onexit: (scope notified) (closure user_data) (destroy notify): the function
 * @user_data: data for @onexit
 * @notify: frees @user_data when the worker is no longer needed
 *
 * Sets a function that is called once, after the last step, if there was a step or a setup. It is not called when
 * the runner halts the run or has gone.
 */
void
parallel_worker_set_onexit (ParallelWorker             *self,
                            ParallelWorkerExitFunction  onexit,
                            gpointer                    user_data,
                            GDestroyNotify              notify)
{
  g_return_if_fail (PARALLEL_IS_WORKER (self));
  g_return_if_fail (onexit != NULL);
  g_return_if_fail (self->function == NULL);

  clear_function ((gpointer *) &self->onexit, &self->onexit_data, &self->onexit_notify);
  self->onexit = onexit;
  self->onexit_data = user_data;
  self->onexit_notify = notify;
}

/* ---- what is said of the step that is being done ---- */

/* A write that failed is found again by the thread that runs, whose next write fails too. */
static void
say_alive_locked (ParallelWorker *self,
                  gint64          now)
{
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  struct iovec part;

  parallel_frame_put_alive (buffer, self->progress, self->status);
  part = (struct iovec) { buffer->data, buffer->len };
  self->unsaid = FALSE;
  self->alive_time = now;
  if (!self->broken)
    self->broken = !parallel_worker_channel_write (&self->channel, FALSE, 0, &part, 1, NULL);
}

static void
begin_work (ParallelWorker *self)
{
  g_mutex_lock (&self->mutex);
  self->busy = TRUE;
  self->progress = -1;
  g_clear_pointer (&self->status, g_free);
  self->unsaid = FALSE;
  g_mutex_unlock (&self->mutex);
}

static void
end_work_locked (ParallelWorker *self)
{
  if (self->unsaid)
    say_alive_locked (self, g_get_monotonic_time ());
  self->busy = FALSE;
}

/**
 * parallel_worker_heartbeat:
 * @self: a worker
 *
 * Says that the step that is being done is alive, so that a limit to its silence begins again. It costs little, and
 * the runner is told at most five times a second. May be called from any thread.
 */
void
parallel_worker_heartbeat (ParallelWorker *self)
{
  gint64 now;

  g_return_if_fail (PARALLEL_IS_WORKER (self));

  now = g_get_monotonic_time ();
  g_mutex_lock (&self->mutex);
  if (self->busy && now - self->alive_time >= G_USEC_PER_SEC / REPORTS_A_SECOND)
    say_alive_locked (self, now);
  g_mutex_unlock (&self->mutex);
}

static gboolean
take_credit_locked (ParallelWorker *self,
                    gint64          now)
{
  double earned = (now - self->credit_time) * (double) REPORTS_A_SECOND / G_USEC_PER_SEC;

  self->credit = MIN (self->credit + earned, MAX_BURST);
  self->credit_time = now;
  if (self->credit < 1)
    return FALSE;
  self->credit -= 1;

  return TRUE;
}

/**
 * parallel_worker_report:
 * @self: a worker
 * @progress: how much of the step is done, from 0 to 1; negative if that is not known
 * @status: (nullable): what it is doing, a short text
 *
 * Says how far the step that is being done has come, and that it is alive. Of many reports in a short time some are
 * left out, but never the last one of a step. May be called from any thread.
 */
void
parallel_worker_report (ParallelWorker *self,
                        double          progress,
                        const char     *status)
{
  g_autofree char *text = NULL;
  gint64 now;

  g_return_if_fail (PARALLEL_IS_WORKER (self));

  if (status != NULL)
    text = parallel_worker_text_shorten (status, MAX_STATUS);
  now = g_get_monotonic_time ();
  g_mutex_lock (&self->mutex);
  if (self->busy)
    {
      g_free (self->status);
      self->status = g_steal_pointer (&text);
      self->progress = isnan (progress) || progress < 0 ? -1 : MIN (progress, 1);
      self->unsaid = TRUE;
      if (take_credit_locked (self, now))
        say_alive_locked (self, now);
    }
  g_mutex_unlock (&self->mutex);
}

/* ---- answers ---- */

/* All that a step has printed must be in the stream before its mark. Not of all streams, of which one
 * might be locked by another thread that waits for input. */
static void
flush_output (void)
{
  fflush (stdout);
  fflush (stderr);
}

/* SET_UP, RESULT or LEFT. @value and @failure: NULL both for nothing to be done. */
static gboolean
answer (ParallelWorker     *self,
        ParallelFrameKind   kind,
        guint64             serial,
        GVariant           *value,
        const GError       *failure,
        GError            **error)
{
  g_auto (ParallelWorkerAnswer) frame = { NULL };
  struct iovec parts[PARALLEL_WORKER_ANSWER_PARTS];
  gboolean success;

  parallel_worker_answer_init (&frame, self->channel.frame_limit, kind, serial, value, failure);
  parallel_worker_answer_get_parts (&frame, parts);

  flush_output ();
  g_mutex_lock (&self->mutex);
  end_work_locked (self);
  success = parallel_worker_channel_write (&self->channel, kind != PARALLEL_FRAME_LEFT, serial,
                                           parts, G_N_ELEMENTS (parts), error);
  g_mutex_unlock (&self->mutex);

  return success;
}

/* Calls @function with what is in @bytes. */
static GVariant *
call (ParallelWorker          *self,
      ParallelWorkerFunction   function,
      gpointer                 user_data,
      GBytes                  *bytes,
      GError                 **error)
{
  g_autoptr (GVariant) input = parallel_worker_value_parse (bytes, error);
  g_autoptr (GVariant) result = NULL;
  GError *local = NULL;

  if (input == NULL)
    return NULL;

  result = function (self, input, user_data, &local);
  if (result != NULL)
    g_variant_take_ref (result);
  if (local != NULL)
    {
      g_propagate_error (error, local);
      return NULL;
    }
  if (result == NULL)
    {
      /* A function of another language that raised an exception says no more. */
      g_set_error_literal (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                           "The function failed without an error (see the output of the step)");
      return NULL;
    }
  if (!parallel_worker_value_check_size (result, self->channel.frame_limit, error))
    return NULL;

  return g_steal_pointer (&result);
}

/* ---- requests ---- */

static gboolean
fail (GError     **error,
      const char  *message)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "The runner has said what is not understood: %s", message);

  return FALSE;
}

static gboolean
do_setup (ParallelWorker  *self,
          GBytes          *payload,
          GError         **error)
{
  g_autoptr (GVariant) result = NULL;

  if (self->has_worked)
    return fail (error, "a SETUP that is not the first frame");

  self->has_worked = TRUE;
  begin_work (self);
  if (self->setup != NULL)
    result = call (self, self->setup, self->setup_data, payload, &self->setup_error);
  else
    g_set_error_literal (&self->setup_error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                         "The worker was given a setup, for which it has no function");

  return answer (self, PARALLEL_FRAME_SET_UP, 0, result, self->setup_error, error);
}

static gboolean
do_request (ParallelWorker              *self,
            GBytes                      *payload,
            const ParallelFrameRequest  *request,
            GError                     **error)
{
  gsize offset = request->data - (const guint8 *) g_bytes_get_data (payload, NULL);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) failure = NULL;
  gboolean claimed = TRUE;

  if (request->serial <= self->last_serial)
    return fail (error, "a request that is not after the one before");
  self->last_serial = request->serial;
  if ((request->flags & PARALLEL_FRAME_CLAIMED) != 0
      && !parallel_worker_channel_claim (&self->channel, request->serial, &claimed, error))
    return FALSE;
  if (!claimed)
    return TRUE;

  self->has_worked = TRUE;
  begin_work (self);
  bytes = g_bytes_new_from_bytes (payload, offset, request->size);
  result = call (self, self->function, self->function_data, bytes, &failure);

  return answer (self, PARALLEL_FRAME_RESULT, request->serial, result, failure, error);
}

static gboolean
do_requests (ParallelWorker  *self,
             GBytes          *payload,
             GError         **error)
{
  ParallelFrameRequest request;
  GError *local = NULL;
  gsize offset = 0;

  if (self->setup_error != NULL)
    return fail (error, "a step after a setup that failed");

  while (parallel_frame_next_request (payload, &offset, &request, &local))
    if (!do_request (self, payload, &request, error))
      return FALSE;

  if (local == NULL)
    return TRUE;
  g_propagate_prefixed_error (error, local, "The runner has said what is not understood: ");

  return FALSE;
}

static gboolean
do_leave (ParallelWorker  *self,
          GBytes          *payload,
          GError         **error)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) failure = NULL;

  if (g_bytes_get_size (payload) > 0)
    return fail (error, "a LEAVE with a payload");
  if (self->onexit == NULL || !self->has_worked || self->setup_error != NULL)
    return answer (self, PARALLEL_FRAME_LEFT, 0, NULL, NULL, error);

  begin_work (self);
  if (self->onexit (self, self->onexit_data, &failure))
    {
      g_clear_error (&failure);
      result = g_variant_ref_sink (g_variant_new_tuple (NULL, 0));
    }
  else if (failure == NULL)
    {
      failure = g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                                     "The function at the end failed without an error (see the output of the step)");
    }

  return answer (self, PARALLEL_FRAME_LEFT, 0, result, failure, error);
}

/* Frames until LEAVE. */
static gboolean
serve (ParallelWorker  *self,
       GError         **error)
{
  while (TRUE)
    {
      guint kind;
      g_autoptr (GBytes) payload = parallel_worker_channel_read (&self->channel, &kind, error);
      gboolean success;

      if (payload == NULL)
        return FALSE;

      switch (kind)
        {
        case PARALLEL_FRAME_SETUP:
          success = do_setup (self, payload, error);
          break;
        case PARALLEL_FRAME_RUN:
          success = do_requests (self, payload, error);
          break;
        case PARALLEL_FRAME_LEAVE:
          return do_leave (self, payload, error);
        default:
          return fail (error, "a frame of an unknown kind");
        }

      if (!success)
        return FALSE;
    }
}

/**
 * parallel_worker_run:
 * @self: a worker
 * @function: (scope call) (closure user_data): does one step
 * @user_data: data for @function
 * @error: return location for an error
 *
 * Does steps until the runner says that there are no more. It takes the standard input and output from the program, for
 * good: afterwards the standard input is `/dev/null`, and the standard output is the same as the standard
 * error. It can be called once in the life of a program.
 *
 * Returns: %TRUE when the runner has said that the worker may leave, and the program is to exit with 0, or
 *   %FALSE if the runner has gone (%G_IO_ERROR_BROKEN_PIPE), if what comes on the standard input is not from a
 *   runner (%G_IO_ERROR_INVALID_DATA), or with the error of the setup function
 */
gboolean
parallel_worker_run (ParallelWorker          *self,
                     ParallelWorkerFunction   function,
                     gpointer                 user_data,
                     GError                 **error)
{
  static int has_run = 0;
  gboolean success;

  g_return_val_if_fail (PARALLEL_IS_WORKER (self), FALSE);
  g_return_val_if_fail (function != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!g_atomic_int_compare_and_exchange (&has_run, 0, 1))
    g_return_val_if_reached (FALSE);

  /* The programs that the steps start are no workers. */
  g_unsetenv (ENVIRONMENT);
  if (!parallel_worker_channel_open (&self->channel, error))
    return FALSE;
  /* What is printed is seen when a line is complete, as in a terminal. */
  setvbuf (stdout, NULL, _IOLBF, 0);

  self->function = function;
  self->function_data = user_data;
  success = parallel_worker_channel_greet (&self->channel, error) && serve (self, error);

  /* Threads that are left may go on to report. */
  flush_output ();
  g_mutex_lock (&self->mutex);
  self->busy = FALSE;
  parallel_worker_channel_close (&self->channel);
  g_mutex_unlock (&self->mutex);
  self->function = NULL;

  if (success || self->setup_error == NULL)
    return success;
  g_clear_error (error);
  g_propagate_error (error, g_steal_pointer (&self->setup_error));

  return FALSE;
}
