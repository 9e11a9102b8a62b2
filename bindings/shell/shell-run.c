/* shell-run.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell-bar.h"
#include "shell-bar-stream.h"
#include "shell-dump.h"
#include "shell-input.h"
#include "shell-report.h"
#include "shell-runner.h"
#include "shell-signals.h"

#define BAR_INTERVAL 100    /* milliseconds */

/* How long a report of what was stopped by a signal may take to be written. */
#define MAX_REPORT   5      /* seconds */

/* Main thread only, all of it. */
typedef struct
{
  const ShellOptions           *options;
  ParallelBackgroundTaskRunner *runner;
  ShellInput                   *input;
  ShellReport                  *report;
  ShellSignals                 *signals;
  ShellDump                    *dump;
  ShellBar                     *bar;            /* NULL: none is shown */
  GHashTable                   *running;        /* of process group by ParallelStep */
  GMainLoop                    *loop;
  GCancellable                 *reading;
  GError                       *input_error;    /* why not all inputs were taken */
  GError                       *error;          /* what the run ended with */
  guint64                       n_put;
  gboolean                      closed;
  int                           signum;         /* that ends the program, or 0 */
} ShellRun;

static void feed (ShellRun *self);

/* No more inputs are taken. */
static void
close_queue (ShellRun *self)
{
  if (self->closed)
    return;

  self->closed = TRUE;
  g_cancellable_cancel (self->reading);
  parallel_background_task_runner_close (self->runner);
}

/* Something is wrong with the inputs; those before it run. Takes @error. */
static void
stop_feeding (ShellRun *self,
              GError   *error)
{
  if (!self->closed && self->input_error == NULL)
    self->input_error = g_steal_pointer (&error);

  g_clear_error (&error);
  close_queue (self);
}

static void
put_cb (GObject      *source,
        GAsyncResult *result,
        gpointer      user_data)
{
  ShellRun *self = user_data;
  GError *error = NULL;

  if (parallel_background_task_runner_put_finish (self->runner, result, &error))
    {
      self->n_put++;
      feed (self);
      return;
    }

  /* That the run was halted meanwhile is no fault of the input. */
  if (g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED))
    g_clear_error (&error);
  stop_feeding (self, error);
}

/* Takes @text. */
static void
put (ShellRun *self,
     char     *text)
{
  g_auto (GValue) value = G_VALUE_INIT;

  /* Bytes in no particular encoding: a value does not mind. */
  g_value_init (&value, G_TYPE_STRING);
  g_value_take_string (&value, text);
  parallel_background_task_runner_put_async (self->runner, &value, self->reading, put_cb, self);
}

static void
fill_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  ShellRun *self = user_data;

  shell_input_fill_finish (self->input, result);
  feed (self);
}

static gboolean
has_placeholder (char **command)
{
  for (guint i = 0; command[i] != NULL; i++)
    if (strstr (command[i], "{}") != NULL)
      return TRUE;

  return FALSE;
}

/* As xargs does: a command runs once when there was nothing to read, if it makes sense without an
 * input. */
static void
end_inputs (ShellRun *self)
{
  const ShellOptions *options = self->options;

  if (self->n_put == 0 && options->inputs == NULL && options->command != NULL
      && !options->no_run_if_empty && !has_placeholder (options->command))
    {
      if (parallel_background_task_runner_put (self->runner, NULL, &self->input_error))
        self->n_put++;
    }

  close_queue (self);
}

/* Takes the next input; each of its callbacks takes the next one again. */
static void
feed (ShellRun *self)
{
  GError *error = NULL;
  char *text;

  if (self->closed)
    return;

  switch (shell_input_next (self->input, &text, &error))
    {
    case SHELL_INPUT_READY:
      put (self, text);
      break;

    case SHELL_INPUT_WAIT:
      shell_input_fill_async (self->input, self->reading, fill_cb, self);
      break;

    case SHELL_INPUT_END:
      end_inputs (self);
      break;

    case SHELL_INPUT_FAILED:
      stop_feeding (self, error);
      break;
    }
}

static void
step_started_cb (ParallelBackgroundTaskRunner *runner,
                 ParallelStep                 *step,
                 gpointer                      user_data)
{
  ShellRun *self = user_data;
  g_autoptr (GSubprocess) subprocess = parallel_step_dup_subprocess (step);
  const char *identifier = subprocess != NULL ? g_subprocess_get_identifier (subprocess) : NULL;
  int pid = identifier != NULL ? atoi (identifier) : 0;

  /* Every step leads a process group of its own. */
  if (pid > 0)
    g_hash_table_insert (self->running, g_object_ref (step), GINT_TO_POINTER (pid));
}

static void
step_finished_cb (ParallelBackgroundTaskRunner *runner,
                  ParallelStep                 *step,
                  gpointer                      user_data)
{
  ShellRun *self = user_data;

  g_hash_table_remove (self->running, step);
  if (parallel_step_get_state (step) == PARALLEL_STEP_STATE_FAILED)
    shell_report_add (self->report, step);
}

static void
wait_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  ShellRun *self = user_data;

  parallel_background_task_runner_wait_finish (self->runner, result, &self->error);
  close_queue (self);
  g_main_loop_quit (self->loop);
}

static gboolean
draw_bar_cb (gpointer user_data)
{
  ShellRun *self = user_data;
  ShellBarCounts counts = { 0 };

  counts.n_failed = parallel_background_task_runner_get_n_failed (self->runner);
  counts.n_done = counts.n_failed + parallel_background_task_runner_get_n_succeeded (self->runner);
  counts.n_running = parallel_background_task_runner_get_n_running (self->runner);
  counts.n_total = self->options->inputs != NULL ? g_strv_length (self->options->inputs)
                                                 : self->n_put;
  counts.total_known = self->options->inputs != NULL || self->closed;
  counts.stopping = self->signum != 0;
  shell_bar_draw (self->bar, &counts);

  return G_SOURCE_CONTINUE;
}

/* ---- signals ---- */

/* Whoever says it twice does not want to wait for the kill grace. What the steps have started dies
 * with this program, by the hand of others; but the groups are killed here, so that they are gone
 * before it is. A tree is left to the process that keeps it together, which leads its group and
 * must not be killed before the rest. */
static void
end_at_once (ShellRun *self)
{
  GHashTableIter iter;
  gpointer pid;

  g_hash_table_iter_init (&iter, self->running);
  while (g_hash_table_iter_next (&iter, NULL, &pid))
    if (self->options->containment == PARALLEL_CONTAINMENT_GROUP)
      kill (-GPOINTER_TO_INT (pid), SIGKILL);

  if (self->bar != NULL)
    shell_bar_finish (self->bar);
  _exit (SHELL_EXIT_SIGNAL + self->signum);
}

static void
caught (ShellRun *self,
        int       signum)
{
  if (self->signum != 0)
    end_at_once (self);

  self->signum = signum;
  close_queue (self);
  parallel_background_task_runner_halt (self->runner, PARALLEL_HALT_NOW);
}

static void
signal_cb (int      signum,
           gpointer user_data)
{
  ShellRun *self = user_data;

  if (signum == SIGUSR1)
    shell_dump_write (self->dump, self->bar);
  else
    caught (self, signum);
}

/* ---- the parts ---- */

static ShellInput *
open_input (const ShellOptions *options)
{
  gboolean skip_comments = options->steps && options->separator == '\n';
  g_autoptr (GError) error = NULL;
  ShellInput *input;

  if (options->inputs != NULL)
    return shell_input_new_for_strv (options->inputs);

  if (options->file == NULL || strcmp (options->file, "-") == 0)
    {
      if (isatty (STDIN_FILENO))
        shell_message ("Reading the %s from the terminal, one a line, until Ctrl-D",
                       options->steps ? "commands" : "inputs");
      return shell_input_new_for_fd (STDIN_FILENO, "standard input", options->separator,
                                     skip_comments);
    }

  input = shell_input_open (options->file, options->separator, skip_comments, &error);
  if (input == NULL)
    shell_message ("%s", error->message);
  return input;
}

/* The bar has to give way only to what goes to a terminal; a pipe or a file is written directly. */
static void
show_bar (ShellRun *self)
{
  g_autoptr (GOutputStream) output = NULL;
  g_autoptr (GOutputStream) error_output = NULL;

  if (!self->options->progress || !isatty (STDERR_FILENO))
    return;

  self->bar = shell_bar_new (STDERR_FILENO);
  error_output = shell_bar_stream_new (self->bar, STDERR_FILENO);
  parallel_background_task_runner_set_error_sink (self->runner, error_output);
  if (isatty (STDOUT_FILENO))
    {
      output = shell_bar_stream_new (self->bar, STDOUT_FILENO);
      parallel_background_task_runner_set_sink (self->runner, output);
    }

  g_timeout_add (BAR_INTERVAL, draw_bar_cb, self);
}

/* ---- the end ---- */

static void
print_report (ShellRun *self)
{
  g_autofree char *report = shell_report_format (self->report, self->n_put);
  guint64 n_failed = parallel_background_task_runner_get_n_failed (self->runner);
  guint64 n_ended = n_failed + parallel_background_task_runner_get_n_succeeded (self->runner);

  if (self->input_error != NULL)
    shell_message ("%s", self->input_error->message);
  if (report != NULL)
    fprintf (stderr, "parallel-glib: %s", report);

  if (self->error != NULL
      && !g_error_matches (self->error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE)
      && !g_error_matches (self->error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED))
    shell_message ("%s", self->error->message);

  if (self->signum != 0)
    shell_message ("Stopped by signal %d (%s)", self->signum, g_strsignal (self->signum));
  if (n_ended < self->n_put)
    shell_message ("Of %" G_GUINT64_FORMAT " steps, %" G_GUINT64_FORMAT " did not run to their end",
                   self->n_put, self->n_put - n_ended);
}

static int
end_run (ShellRun *self)
{
  /* Another signal ends it without the report, and whoever has asked for the end gets it even where
   * nobody reads what there is to say. */
  g_clear_pointer (&self->signals, shell_signals_free);
  if (self->signum != 0)
    shell_signals_limit (MAX_REPORT, SHELL_EXIT_SIGNAL + self->signum);

  g_clear_pointer (&self->dump, shell_dump_free);
  if (self->bar != NULL)
    shell_bar_finish (self->bar);

  /* As any filter does whose reader has gone: no word, and the status of SIGPIPE. */
  if (self->signum == 0 && g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE))
    return SHELL_EXIT_SIGNAL + SIGPIPE;

  print_report (self);

  if (self->signum != 0)
    return SHELL_EXIT_SIGNAL + self->signum;
  if (self->input_error != NULL)
    return SHELL_EXIT_USAGE;
  return self->error != NULL ? SHELL_EXIT_FAILURES : 0;
}

static void
shell_run_clear (ShellRun *self)
{
  g_clear_error (&self->error);
  g_clear_error (&self->input_error);
  g_clear_object (&self->reading);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_clear_pointer (&self->bar, shell_bar_unref);
  g_clear_pointer (&self->report, shell_report_free);
  g_clear_pointer (&self->running, g_hash_table_unref);
  g_clear_pointer (&self->input, shell_input_unref);
  g_clear_object (&self->runner);
}

int
shell_run (const ShellOptions *options)
{
  ShellRun self = { .options = options };
  int status = SHELL_EXIT_USAGE;

  self.runner = shell_runner_new (options);
  if (!shell_runner_check (self.runner))
    goto out;

  self.input = open_input (options);
  if (self.input == NULL)
    goto out;

  self.report = shell_report_new ();
  self.running = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  self.loop = g_main_loop_new (NULL, FALSE);
  self.reading = g_cancellable_new ();
  g_signal_connect (self.runner, "step-started", G_CALLBACK (step_started_cb), &self);
  g_signal_connect (self.runner, "step-finished", G_CALLBACK (step_finished_cb), &self);
  self.dump = shell_dump_new (self.runner);
  self.signals = shell_signals_new (signal_cb, &self);
  show_bar (&self);

  feed (&self);
  parallel_background_task_runner_wait_async (self.runner, NULL, wait_cb, &self);
  g_main_loop_run (self.loop);
  status = end_run (&self);

out:
  shell_run_clear (&self);
  return status;
}
