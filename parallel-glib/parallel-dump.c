/* parallel-dump.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-diagnosis.h"
#include "parallel-task-private.h"

/* What a run is doing, as text. */

#define MAX_RUNNING 100     /* of the running steps in a dump */

static GPtrArray *
dup_running_steps (ParallelRun *run,
                   guint        max)
{
  GPtrArray *steps = g_ptr_array_new ();

  parallel_run_lock (run);
  parallel_run_hold (run);
  for (ParallelItem *item = run->running.first; item != NULL && steps->len < max; item = item->next)
    if (item->step != NULL)
      g_ptr_array_add (steps, g_object_ref (item->step));
  parallel_run_unlock (run);

  return steps;
}

static void
drop_steps (ParallelRun *run,
            GPtrArray   *steps)
{
  for (guint i = 0; i < steps->len; i++)
    parallel_run_drop_step (run, g_ptr_array_index (steps, i));
  g_ptr_array_unref (steps);
  parallel_run_release (run);
}

char *
parallel_run_describe_running (ParallelRun *run,
                               guint        max)
{
  GPtrArray *steps = dup_running_steps (run, max);
  g_autoptr (GString) text = g_string_new (NULL);
  guint n_running;

  parallel_run_lock (run);
  n_running = run->running.length;
  parallel_run_unlock (run);

  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);
      g_autofree char *name = parallel_step_dup_name (step);

      g_string_append_printf (text, "%s%s (%.0f s)", i > 0 ? ", " : "", name,
                              parallel_step_get_elapsed (step));
    }
  if (n_running > steps->len && steps->len > 0)
    g_string_append_printf (text, " and %u more", n_running - steps->len);
  drop_steps (run, steps);

  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

static void
append_step (GString      *text,
             ParallelStep *step)
{
  g_autofree char *name = parallel_step_dup_name (step);
  g_autofree char *what = parallel_task_describe (parallel_step_get_task (step), step);
  g_autofree char *status = parallel_step_dup_status (step);
  g_autofree char *last_line = parallel_step_dup_last_line (step);
  g_autoptr (GError) stopping = parallel_step_dup_stop_reason (step);
  g_autoptr (GSubprocess) subprocess = parallel_step_dup_subprocess (step);
  ParallelWhereabouts where = parallel_step_get_whereabouts (step);
  g_autofree char *mark = where.mark;
  g_autofree char *doing = parallel_diagnosis_glance (&where, parallel_step_get_started (step));
  const char *pid = subprocess != NULL ? g_subprocess_get_identifier (subprocess) : NULL;

  g_string_append_printf (text, "  step %" G_GINT64_FORMAT " “%s”: running for %.1f s",
                          parallel_step_get_index (step), name, parallel_step_get_elapsed (step));
  g_string_append_printf (text, ", attempt %u, last sign of life %.1f s ago",
                          parallel_step_get_attempt (step),
                          (g_get_monotonic_time () - parallel_step_get_activity (step)) / 1e6);
  if (pid != NULL)
    g_string_append_printf (text, ", pid %s", pid);
  if (what != NULL)
    g_string_append_printf (text, ", %s", what);
  g_string_append_c (text, '\n');
  if (doing != NULL)
    {
      g_auto (GStrv) lines = g_strsplit (doing, "\n", -1);

      for (guint i = 0; lines[i] != NULL; i++)
        g_string_append_printf (text, "  %s\n", lines[i]);
    }
  if (stopping != NULL)
    g_string_append_printf (text, "    being stopped: %s\n", stopping->message);
  if (status != NULL)
    g_string_append_printf (text, "    status: %s\n", status);
  if (last_line != NULL)
    g_string_append_printf (text, "    last line: %s\n", last_line);
}

/* What the run itself waits for. */
static const char *
waits_for_locked (ParallelRun *run)
{
  if (run->over)
    return "nothing, it is over";
  if (run->paused)
    return "resume()";
  if (run->running.length > 0)
    return "the steps that run";
  if (run->delayed.length > 0)
    return "the delay before another attempt";
  if (run->handed.length > 0)
    return "a worker to begin the next step";
  if (run->pending.length > 0)
    return "a thread to start the next step in";
  if (!run->closed && run->halt == PARALLEL_RUN_GOES_ON)
    return "more steps, or close()";
  if (run->onexit_task != NULL && run->n_workers > 0)
    return "the onexit of its worker threads";

  return "the output to be printed";
}

/* Of those that keep workers. */
static void
append_tasks_locked (ParallelRun *run,
                     GString     *text)
{
  for (guint i = 0; run->pools != NULL && i < run->pools->len; i++)
    {
      g_autofree char *state = parallel_task_dup_state (g_ptr_array_index (run->pools, i));

      if (state != NULL)
        g_string_append_printf (text, "launcher: %s\n", state);
    }
}

char *
parallel_run_dump (ParallelRun *run)
{
  static const char *halts[] = { "", ", halted soon", ", halted" };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *printing = NULL;
  GPtrArray *steps;

  if (parallel_run_is_foreign (run))
    return g_strdup ("runs in the process that this one was forked from\n");

  printing = parallel_sequencer_describe (run->sequencer);
  steps = dup_running_steps (run, MAX_RUNNING);

  parallel_run_lock (run);
  g_string_append_printf (text, "%u pending, %u delayed, %u running (at most %u), %" G_GUINT64_FORMAT
                          " succeeded, %" G_GUINT64_FORMAT " failed, %u skipped; %s%s%s\n",
                          run->pending.length, run->delayed.length, run->running.length,
                          run->config.max_parallel, run->n_succeeded, run->n_failed, run->skipped.length,
                          run->closed ? "closed" : "open", run->paused ? ", paused" : "", halts[run->halt]);
  g_string_append_printf (text, "waits for: %s\noutput: %s\nworker threads: %u, %u of them idle\n",
                          waits_for_locked (run), printing, run->n_workers, run->n_idle_workers);
  append_tasks_locked (run, text);
  parallel_run_unlock (run);

  for (guint i = 0; i < steps->len; i++)
    append_step (text, g_ptr_array_index (steps, i));
  drop_steps (run, steps);

  return g_string_free (g_steal_pointer (&text), FALSE);
}
