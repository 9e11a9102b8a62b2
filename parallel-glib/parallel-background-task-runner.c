/* parallel-background-task-runner.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-background-task-runner.h"

#include <unistd.h>

#include "parallel-cpu-count.h"
#include "parallel-run-error.h"
#include "parallel-runner-private.h"
#include "parallel-task-private.h"
#include "parallel-value.h"

/**
 * ParallelBackgroundTaskRunner:
 *
 * A queue, and a pool that works it off.
 *
 * Put inputs or steps while it runs, close it, and wait for it. At most
 * [property@BackgroundTaskRunner:max-parallel] steps run at the same time, and start in the order
 * of the queue. What they write is never interleaved: it is printed in queue order as if they had
 * run one after another, the first unfinished one live. The failure of a step does not stop the
 * others, unless [property@BackgroundTaskRunner:halt-on-error] is set; in the end one error names
 * all that failed.
 *
 * ```c
 * g_autoptr (ParallelBackgroundTaskRunner) runner =
 *   parallel_background_task_runner_new (
 *     parallel_command_task_new ((const char * const []) { "gzip", "-k", "{}", NULL }));
 *
 * for (guint i = 0; files[i] != NULL; i++)
 *   if (!parallel_background_task_runner_put_string (runner, files[i], &error))
 *     return FALSE;
 * parallel_background_task_runner_close (runner);
 *
 * return parallel_background_task_runner_wait (runner, NULL, &error);
 * ```
 *
 * It is a [iface@Gio.ListModel] of the [class@Step]s that wait, that run, and that are kept after
 * their end.
 *
 * ## Threads
 *
 * The runner belongs to the thread-default main context in which it was made, the owner's context.
 * All signals, property notifications, changes of the list and callbacks come there. The put
 * functions, [method@BackgroundTaskRunner.close], [method@BackgroundTaskRunner.halt],
 * [method@BackgroundTaskRunner.wait], [method@BackgroundTaskRunner.dump] and the counters may be
 * called from any thread by who holds a reference; all else from the owner's context only. The last
 * reference is dropped in the owner's context; a run that is not over then is halted.
 *
 * No thread and no process is started before the first step.
 */

enum
{
  STEP_STARTED,
  STEP_FINISHED,
  OUTPUT,
  FINISHED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];
static guint notify_id;

G_DEFINE_FINAL_TYPE_WITH_CODE (ParallelBackgroundTaskRunner, parallel_background_task_runner, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, parallel_runner_list_model_init))

/* One `output` signal carries at most so much. */
#define OUTPUT_PIECE (64 * 1024)

#define DEFAULT_KILL_GRACE 5.0      /* seconds */

static void
emit_output (ParallelBackgroundTaskRunner *self,
             const ParallelEvent          *event)
{
  guint64 end = event->offset + event->length;

  for (guint64 offset = event->offset; offset < end; )
    {
      g_autofree char *data = g_malloc (MIN (OUTPUT_PIECE, end - offset));
      g_autoptr (GBytes) bytes = NULL;
      gssize n = parallel_output_read (event->output, offset, data, MIN (OUTPUT_PIECE, end - offset), NULL);

      if (n <= 0)
        return;   /* the sequencer met the same error and has halted the run with it */

      bytes = g_bytes_new_take (g_steal_pointer (&data), n);
      g_signal_emit (self, signals[OUTPUT], 0, event->step, event->stream, bytes);
      offset += n;
    }
}

static void
poked (ParallelBackgroundTaskRunner *self)
{
  parallel_run_lock (self->run);
  self->run->poked = FALSE;
  parallel_run_unlock (self->run);

  parallel_runner_notify_counters (self);
  parallel_runner_check_waiters (self);
}

static void
over (ParallelBackgroundTaskRunner *self)
{
  g_autoptr (GError) error = parallel_run_dup_outcome (self->run);

  self->finished = TRUE;
  parallel_runner_notify_counters (self);
  g_signal_emit (self, signals[FINISHED], 0, error);
  parallel_runner_check_waiters (self);
}

static void
deliver (gpointer             owner,
         const ParallelEvent *event)
{
  g_autoptr (ParallelBackgroundTaskRunner) self = g_object_ref (owner);

  parallel_runner_sync_model (self);

  switch (event->kind)
    {
    case PARALLEL_EVENT_STEP_STARTED:
      parallel_step_notify_changes (event->step);
      g_signal_emit (self, signals[STEP_STARTED], 0, event->step);
      break;

    case PARALLEL_EVENT_STEP_FINISHED:
      parallel_step_notify_changes (event->step);
      g_signal_emit (self, signals[STEP_FINISHED], 0, event->step);
      if (event->removed)
        parallel_runner_remove_from_model (self, event->item);
      break;

    case PARALLEL_EVENT_STEP_CHANGED:
      parallel_step_notify_changes (event->step);
      break;

    case PARALLEL_EVENT_OUTPUT:
      emit_output (self, event);
      break;

    case PARALLEL_EVENT_POKED:
      poked (self);
      break;

    case PARALLEL_EVENT_OVER:
      over (self);
      break;

    case PARALLEL_EVENT_START:
    case PARALLEL_EVENT_CANCEL:
    case PARALLEL_EVENT_DROP:
    default:
      g_assert_not_reached ();
    }
}

/* Any thread, with the run's lock held, under which the owner cannot go. */
static ParallelListens
get_listens (gpointer        owner,
             ParallelListens wanted)
{
  const struct { guint id; ParallelListens what; } table[] =
  {
    { signals[STEP_STARTED], PARALLEL_LISTENS_STARTED },
    { signals[STEP_FINISHED], PARALLEL_LISTENS_FINISHED },
    { signals[OUTPUT], PARALLEL_LISTENS_OUTPUT },
    { notify_id, PARALLEL_LISTENS_NOTIFY },
  };
  ParallelListens listens = 0;

  /* Most runs have no handler at all, which is found out quickly. A derived class, of another language, may have
   * handlers that are not connected. */
  if (G_OBJECT_TYPE (owner) == PARALLEL_TYPE_BACKGROUND_TASK_RUNNER &&
      g_signal_handler_find (owner, G_SIGNAL_MATCH_UNBLOCKED, 0, 0, NULL, NULL, NULL) == 0)
    return 0;

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if ((table[i].what & wanted) != 0 && g_signal_has_handler_pending (owner, table[i].id, 0, FALSE))
      listens |= table[i].what;

  return listens;
}

static const ParallelRunOwner run_owner =
{
  .deliver = deliver,
  .get_listens = get_listens,
};

static ParallelSink *
make_sink (ParallelBackgroundTaskRunner *self,
           guint                         stream)
{
  if (self->sinks[stream] != NULL)
    return parallel_sink_new_for_stream (self->sinks[stream]);

  return parallel_sink_new_for_fd (self->sink_fds[stream]);
}

void
parallel_runner_apply_output (ParallelBackgroundTaskRunner *self)
{
  g_autoptr (ParallelSink) stdout_sink = make_sink (self, PARALLEL_OUTPUT_STREAM_STDOUT);
  g_autoptr (ParallelSink) stderr_sink = make_sink (self, PARALLEL_OUTPUT_STREAM_STDERR);

  parallel_run_set_output (self->run, self->output_mode, stdout_sink, stderr_sink, self->hold_output,
                           self->keep_alive_interval);
}

static void
parallel_background_task_runner_dispose (GObject *object)
{
  ParallelBackgroundTaskRunner *self = PARALLEL_BACKGROUND_TASK_RUNNER (object);

  parallel_background_task_runner_set_cancellable (self, NULL);
  if (self->run->owner != NULL && !parallel_run_is_foreign (self->run))
    parallel_run_let_go (self->run);
  parallel_runner_clear_waiters (self);
  g_clear_pointer (&self->model, g_sequence_free);
  g_clear_object (&self->sinks[0]);
  g_clear_object (&self->sinks[1]);

  G_OBJECT_CLASS (parallel_background_task_runner_parent_class)->dispose (object);
}

static void
parallel_background_task_runner_finalize (GObject *object)
{
  ParallelBackgroundTaskRunner *self = PARALLEL_BACKGROUND_TASK_RUNNER (object);

  g_clear_pointer (&self->wait_context, g_main_context_unref);
  /* Those of the parent's are nobody's here. */
  if (!parallel_run_is_foreign (self->run))
    g_clear_pointer (&self->run, parallel_run_unref);

  G_OBJECT_CLASS (parallel_background_task_runner_parent_class)->finalize (object);
}

static void
install_signals (void)
{
  /**
   * ParallelBackgroundTaskRunner::step-started:
   * @self: the runner
   * @step: the step that has started
   *
   * An attempt of a step has started. In the owner's context.
   */
  signals[STEP_STARTED] =
    g_signal_new ("step-started", PARALLEL_TYPE_BACKGROUND_TASK_RUNNER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 1, PARALLEL_TYPE_STEP);

  /**
   * ParallelBackgroundTaskRunner::step-finished:
   * @self: the runner
   * @step: the step that has ended: succeeded, failed or halted
   *
   * A step has come to its end. Steps finish in any order. In the owner's context.
   */
  signals[STEP_FINISHED] =
    g_signal_new ("step-finished", PARALLEL_TYPE_BACKGROUND_TASK_RUNNER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 1, PARALLEL_TYPE_STEP);

  /**
   * ParallelBackgroundTaskRunner::output:
   * @self: the runner
   * @step: the step that wrote it
   * @stream: where it wrote it
   * @bytes: at most 64 KiB of it
   *
   * A part of a step's output, in the order in which it is printed: never interleaved in the
   * ordered mode. It is emitted for the steps that write their first output while a handler is
   * connected. In the owner's context.
   */
  signals[OUTPUT] =
    g_signal_new ("output", PARALLEL_TYPE_BACKGROUND_TASK_RUNNER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 3, PARALLEL_TYPE_STEP, PARALLEL_TYPE_OUTPUT_STREAM, G_TYPE_BYTES);

  /**
   * ParallelBackgroundTaskRunner::finished:
   * @self: the runner
   * @error: (nullable): what the run ended with, as [method@BackgroundTaskRunner.wait] reports it,
   *   or %NULL if all succeeded
   *
   * The run is over: everything has ended and is printed. Emitted once. In the owner's context.
   */
  signals[FINISHED] =
    g_signal_new ("finished", PARALLEL_TYPE_BACKGROUND_TASK_RUNNER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
parallel_background_task_runner_class_init (ParallelBackgroundTaskRunnerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = parallel_background_task_runner_dispose;
  object_class->finalize = parallel_background_task_runner_finalize;
  parallel_runner_install_properties (object_class);
  install_signals ();
  notify_id = g_signal_lookup ("notify", G_TYPE_OBJECT);
}

static void
parallel_background_task_runner_init (ParallelBackgroundTaskRunner *self)
{
  self->run = parallel_run_new (&run_owner, self);
  self->run->config = (ParallelRunConfig) {
    .max_parallel = parallel_cpu_count (),
    .keep = PARALLEL_KEEP_STEPS_FAILED,
    .limits = { .kill_grace = DEFAULT_KILL_GRACE, .max_attempts = 1 },
    .output_limit_policy = PARALLEL_OUTPUT_LIMIT_KEEP_ENDS,
  };
  self->sink_fds[PARALLEL_OUTPUT_STREAM_STDOUT] = STDOUT_FILENO;
  self->sink_fds[PARALLEL_OUTPUT_STREAM_STDERR] = STDERR_FILENO;
  g_queue_init (&self->waiters);
  parallel_runner_apply_output (self);
}

/**
 * parallel_background_task_runner_new:
 * @task: (transfer full) (nullable): what to do with each input, or %NULL if only steps with tasks
 *   of their own will be put
 *
 * Makes a runner that belongs to the thread-default main context.
 *
 * Returns: (transfer full): the new runner
 */
ParallelBackgroundTaskRunner *
parallel_background_task_runner_new (ParallelTask *task)
{
  g_autoptr (ParallelTask) owned = task;

  g_return_val_if_fail (task == NULL || PARALLEL_IS_TASK (task), NULL);

  return g_object_new (PARALLEL_TYPE_BACKGROUND_TASK_RUNNER, "task", owned, NULL);
}

/* The runner's own task; constant after construction. */
static gboolean
put_value (ParallelBackgroundTaskRunner *self,
           const GValue                 *input,
           GError                      **error)
{
  ParallelTask *task = parallel_background_task_runner_get_task (self);
  GValue copy = G_VALUE_INIT;
  gboolean success;

  if (parallel_value_is_none (input))
    input = NULL;
  if (task == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "The runner has no task for an input; give it one, or put steps");
      return FALSE;
    }
  if (!parallel_task_check (task, input, error))
    return FALSE;

  if (input != NULL)
    {
      g_value_init (&copy, G_VALUE_TYPE (input));
      g_value_copy (input, &copy);
    }
  success = parallel_run_put (self->run, &copy, NULL, error);
  if (parallel_value_is_set (&copy))
    g_value_unset (&copy);

  return success;
}

/**
 * parallel_background_task_runner_put:
 * @self: a runner with a task
 * @input: (nullable): the input; its content is copied
 * @error: return location for an error
 *
 * Queues an input for the runner's task. May be called from any thread, and from the steps of the
 * runner.
 *
 * Returns: %TRUE, or %FALSE if the task cannot do anything with the input
 *   (%G_IO_ERROR_INVALID_ARGUMENT), the queue is full (%G_IO_ERROR_WOULD_BLOCK), or closed
 *   (%PARALLEL_RUN_ERROR_CLOSED)
 */
gboolean
parallel_background_task_runner_put (ParallelBackgroundTaskRunner  *self,
                                     const GValue                  *input,
                                     GError                       **error)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);
  g_return_val_if_fail (input == NULL || G_IS_VALUE (input), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return put_value (self, input, error);
}

/**
 * parallel_background_task_runner_put_string:
 * @self: a runner with a task
 * @input: (type filename): the input: any bytes but NUL
 * @error: return location for an error
 *
 * Queues a string, as [method@BackgroundTaskRunner.put] does. May be called from any thread.
 *
 * Returns: %TRUE, or %FALSE with the errors of [method@BackgroundTaskRunner.put]
 */
gboolean
parallel_background_task_runner_put_string (ParallelBackgroundTaskRunner  *self,
                                            const char                    *input,
                                            GError                       **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);
  g_return_val_if_fail (input != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, input);

  return put_value (self, &value, error);
}

/**
 * parallel_background_task_runner_put_step:
 * @self: a runner
 * @step: a step that was not put before
 * @error: return location for an error
 *
 * Queues a step with a task of its own. May be called from any thread.
 *
 * Returns: %TRUE, or %FALSE with the errors of [method@BackgroundTaskRunner.put], and
 *   %G_IO_ERROR_INVALID_ARGUMENT for a step that was put before
 */
gboolean
parallel_background_task_runner_put_step (ParallelBackgroundTaskRunner  *self,
                                          ParallelStep                  *step,
                                          GError                       **error)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), FALSE);
  g_return_val_if_fail (PARALLEL_IS_STEP (step), FALSE);
  g_return_val_if_fail (parallel_step_get_task (step) != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!parallel_task_check (parallel_step_get_task (step), parallel_step_get_input (step), error))
    return FALSE;

  return parallel_run_put (self->run, NULL, step, error);
}

/**
 * parallel_background_task_runner_close:
 * @self: a runner
 *
 * Says that nothing more will be put, so that the run can come to its end. Output that was held is
 * printed from now on. May be called from any thread, also more than once.
 */
void
parallel_background_task_runner_close (ParallelBackgroundTaskRunner *self)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  parallel_run_close (self->run);
}

/**
 * parallel_background_task_runner_halt:
 * @self: a runner
 * @mode: whether to stop what runs
 *
 * Ends the run early: what is queued is skipped, what runs is stopped within the kill grace, or,
 * with %PARALLEL_HALT_SOON, may come to its end. Nothing more can be put. May be called from any
 * thread; returns at once.
 */
void
parallel_background_task_runner_halt (ParallelBackgroundTaskRunner *self,
                                      ParallelHaltMode              mode)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (mode == PARALLEL_HALT_NOW || mode == PARALLEL_HALT_SOON);

  parallel_run_halt (self->run, mode);
}

/**
 * parallel_background_task_runner_pause:
 * @self: a runner
 *
 * Starts no more steps until [method@BackgroundTaskRunner.resume]. What runs goes on.
 */
void
parallel_background_task_runner_pause (ParallelBackgroundTaskRunner *self)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  parallel_run_set_paused (self->run, TRUE);
}

/**
 * parallel_background_task_runner_resume:
 * @self: a runner
 *
 * Starts steps again after [method@BackgroundTaskRunner.pause].
 */
void
parallel_background_task_runner_resume (ParallelBackgroundTaskRunner *self)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));

  parallel_run_set_paused (self->run, FALSE);
}

/**
 * parallel_background_task_runner_dump:
 * @self: a runner
 *
 * Describes what the runner is doing: what it waits for, and of each running step for how long it
 * runs, what it last wrote and whether it is being stopped. For a person to read; the form may
 * change. May be called from any thread.
 *
 * Returns: (transfer full): several lines of text
 */
char *
parallel_background_task_runner_dump (ParallelBackgroundTaskRunner *self)
{
  g_return_val_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self), NULL);

  return parallel_run_dump (self->run);
}

/**
 * parallel_background_task_runner_set_onexit:
 * @self: a runner to which nothing was put yet
 * @onexit: (scope notified) (closure user_data) (destroy notify): the function; it is called in
 *   worker threads
 * @user_data: data for @onexit
 * @notify: frees @user_data
 *
 * Sets a function that is called once in each worker thread that has run steps, after its last one,
 * in a step of its own with the name "onexit". If it fails, that is one of the failures of the run.
 */
void
parallel_background_task_runner_set_onexit (ParallelBackgroundTaskRunner *self,
                                            ParallelFunction              onexit,
                                            gpointer                      user_data,
                                            GDestroyNotify                notify)
{
  g_autoptr (ParallelTask) previous = NULL;
  ParallelTask *task;

  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (onexit != NULL);
  g_return_if_fail (!self->run->begun);

  task = parallel_function_task_new (onexit, user_data, notify);
  parallel_run_lock (self->run);
  previous = g_steal_pointer (&self->run->onexit_task);
  self->run->onexit_task = task;
  parallel_run_unlock (self->run);
}

/**
 * parallel_background_task_runner_set_sink_fds:
 * @self: a runner to which nothing was put yet
 * @stdout_fd: a descriptor for the steps' standard output
 * @stderr_fd: a descriptor for the steps' standard error
 *
 * Sets descriptors to print to, which must stay open until the run is over. By default these are 1
 * and 2. A sink that was set as a stream is not used any more.
 */
void
parallel_background_task_runner_set_sink_fds (ParallelBackgroundTaskRunner *self,
                                              int                           stdout_fd,
                                              int                           stderr_fd)
{
  g_return_if_fail (PARALLEL_IS_BACKGROUND_TASK_RUNNER (self));
  g_return_if_fail (stdout_fd >= 0 && stderr_fd >= 0);
  g_return_if_fail (!self->run->begun);

  self->sink_fds[PARALLEL_OUTPUT_STREAM_STDOUT] = stdout_fd;
  self->sink_fds[PARALLEL_OUTPUT_STREAM_STDERR] = stderr_fd;
  g_clear_object (&self->sinks[0]);
  g_clear_object (&self->sinks[1]);
  parallel_runner_apply_output (self);
}
