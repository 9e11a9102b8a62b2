/* test-model.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fault-support.h"

/* Random operations, from outside and from inside every handler, against what must always be so. */

typedef struct
{
  ParallelBackgroundTaskRunner *runner;      /* NULL once it is dropped */
  GRand                        *rand;
  GPtrArray                    *steps;       /* all that were put */
  GHashTable                   *seen;        /* of step to the last state that was notified */
  guint                         n_operations;
  guint                         depth;       /* of handlers in handlers */
  gboolean                      ending;      /* halted or closed: nothing can be put */
  gboolean                      halted;
  gboolean                      may_drop;
  gboolean                      may_pause;
  guint                         limit;       /* what was set last */
  gint                          n_running;   /* in functions; atomic */
  gint                          n_allowed;   /* atomic */
  GHashTable                   *started;     /* steps whose signal has come */
  GHashTable                   *finished;
  guint                         n_ends;
} Model;

static void operate (Model *model);

static gboolean
model_function (ParallelStep  *step,
                GCancellable  *cancellable,
                gpointer       user_data,
                GError       **error)
{
  Model *model = user_data;
  gint n_running = g_atomic_int_add (&model->n_running, 1) + 1;
  gboolean success;

  g_assert_cmpint (n_running, <=, g_atomic_int_get (&model->n_allowed));
  parallel_step_write_text (step, "out\n", NULL);
  success = parallel_step_get_index (step) % 5 != 0;
  if (!success)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "one in five");
  g_atomic_int_add (&model->n_running, -1);
  return success;
}

static void
state_cb (ParallelStep *step,
          GParamSpec   *pspec,
          Model        *model)
{
  ParallelStepState before = GPOINTER_TO_INT (g_hash_table_lookup (model->seen, step));
  ParallelStepState state = parallel_step_get_state (step);

  /* Queued, running, done: never back, and with one end. A step may have gone on since the change that is told. */
  g_assert_cmpint (state, >=, before);
  if (before > PARALLEL_STEP_STATE_RUNNING)
    g_assert_cmpint (state, ==, before);
  g_hash_table_insert (model->seen, step, GINT_TO_POINTER (state));
  operate (model);
}

static void
put_step (Model        *model,
          ParallelStep *step)
{
  g_autoptr (GError) error = NULL;

  g_signal_connect (step, "notify::state", G_CALLBACK (state_cb), model);
  if (parallel_background_task_runner_put_step (model->runner, step, &error))
    g_ptr_array_add (model->steps, g_object_ref (step));
  else
    {
      g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_CLOSED);
      g_assert_true (model->ending);
    }
}

static void
put_one (Model *model)
{
  g_autoptr (ParallelStep) step = NULL;

  if (g_rand_int_range (model->rand, 0, 20) == 0)
    {
      const char *argv[] = { "echo", "out", NULL };

      step = parallel_step_new (parallel_command_task_new (argv), NULL);
    }
  else
    step = test_function_step (model_function, model);
  parallel_step_set_priority (step, g_rand_int_range (model->rand, -2, 3));
  put_step (model, step);
}

/* A lowered limit stops nothing, so the old one is allowed until there are few enough. */
static void
note_limit (Model *model)
{
  if (model->runner != NULL &&
      parallel_background_task_runner_get_n_running (model->runner) <= model->limit)
    g_atomic_int_set (&model->n_allowed, (gint) model->limit);
}

static void
set_limit (Model *model)
{
  guint limit = (guint) g_rand_int_range (model->rand, 1, 9);

  note_limit (model);
  model->limit = limit;
  if ((gint) limit > g_atomic_int_get (&model->n_allowed))
    g_atomic_int_set (&model->n_allowed, (gint) limit);
  parallel_background_task_runner_set_max_parallel (model->runner, limit);
  note_limit (model);
}

static void
nest (Model *model)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 3; i++)
    g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_assert_true (parallel_run_steps (steps, 2, FALSE, NULL, &error));
  g_assert_no_error (error);
}

static void
end (Model *model,
     guint  how)
{
  /* Most rounds go on to their end. */
  if (g_rand_int_range (model->rand, 0, 8) != 0)
    return;

  switch (how)
    {
    case 0:
      model->ending = model->halted = TRUE;
      parallel_background_task_runner_halt (model->runner, PARALLEL_HALT_NOW);
      break;
    case 1:
      model->ending = model->halted = TRUE;
      parallel_background_task_runner_halt (model->runner, PARALLEL_HALT_SOON);
      break;
    case 2:
      model->ending = TRUE;
      parallel_background_task_runner_close (model->runner);
      break;
    default:
      if (model->may_drop)
        g_clear_object (&model->runner);
    }
}

static void
operate (Model *model)
{
  gint32 dice = g_rand_int_range (model->rand, 0, 1000);

  if (model->runner == NULL || model->depth >= 3)
    return;

  model->depth++;
  model->n_operations++;
  note_limit (model);
  if (dice < 450 && model->steps->len < 400)
    put_one (model);
  else if (dice < 500)
    {
      if (model->may_pause)
        parallel_background_task_runner_pause (model->runner);
    }
  else if (dice < 620)
    parallel_background_task_runner_resume (model->runner);
  else if (dice < 700)
    set_limit (model);
  else if (dice < 780 && model->steps->len > 0)
    parallel_step_cancel (g_ptr_array_index (model->steps,
                                             g_rand_int_range (model->rand, 0, (gint32) model->steps->len)));
  else if (dice < 790)
    nest (model);
  else if (dice < 800)
    end (model, (guint) dice % 4);
  else if (dice < 810)
    g_free (parallel_background_task_runner_dump (model->runner));
  model->depth--;
}

/* Handlers */

static void
started_cb (ParallelBackgroundTaskRunner *runner,
            ParallelStep                 *step,
            Model                        *model)
{
  g_assert_false (g_hash_table_contains (model->finished, step));
  g_assert_true (g_hash_table_add (model->started, step));
  operate (model);
}

static void
finished_cb (ParallelBackgroundTaskRunner *runner,
             ParallelStep                 *step,
             Model                        *model)
{
  g_assert_true (g_hash_table_add (model->finished, step));
  g_assert_true (fault_step_is_over (step));
  operate (model);
}

static void
end_cb (ParallelBackgroundTaskRunner *runner,
        const GError                 *error,
        Model                        *model)
{
  model->n_ends++;
  operate (model);
}

static void
connect_handlers (Model *model)
{
  const char *counters[] = {
    "notify::n-pending", "notify::n-running", "notify::n-succeeded", "notify::n-failed", "notify::progress",
    "notify::max-parallel", "items-changed", "output",
  };

  g_signal_connect (model->runner, "step-started", G_CALLBACK (started_cb), model);
  g_signal_connect (model->runner, "step-finished", G_CALLBACK (finished_cb), model);
  g_signal_connect (model->runner, "finished", G_CALLBACK (end_cb), model);
  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    g_signal_connect_data (model->runner, counters[i], G_CALLBACK (operate), model, NULL,
                           G_CONNECT_SWAPPED);
}

/* The end of a round */

/* The signals of a step: none if it was skipped, and no start if it was cancelled before it. */
static void
assert_told (Model        *model,
             ParallelStep *step)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);
  ParallelStepState state = parallel_step_get_state (step);
  gboolean skipped = state == PARALLEL_STEP_STATE_SKIPPED;

  g_assert_cmpint (GPOINTER_TO_INT (g_hash_table_lookup (model->seen, step)), ==, state);
  g_assert_cmpint (g_hash_table_contains (model->finished, step), ==, !skipped);
  if (skipped)
    g_assert_false (g_hash_table_contains (model->started, step));
  else if (!g_error_matches (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED))
    g_assert_true (g_hash_table_contains (model->started, step));
}

static void
assert_end_of_run (Model *model)
{
  g_autoptr (GError) error = NULL;
  guint n_failed;

  model->may_drop = FALSE;
  model->may_pause = FALSE;
  model->ending = TRUE;
  parallel_background_task_runner_resume (model->runner);
  parallel_background_task_runner_close (model->runner);
  parallel_background_task_runner_wait (model->runner, NULL, &error);
  fault_assert_adds_up (model->runner, model->steps);
  n_failed = fault_count_state (model->steps, PARALLEL_STEP_STATE_FAILED);
  if (n_failed > 0)
    g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  else if (!model->halted)
    g_assert_no_error (error);
  g_assert_cmpuint (model->n_ends, ==, 1);
  for (guint i = 0; i < model->steps->len; i++)
    assert_told (model, g_ptr_array_index (model->steps, i));
  g_assert_finalize_object (g_steal_pointer (&model->runner));
}

/* Returns how many operations there were. */
static guint
run_round (GRand *rand,
           guint  n_operations)
{
  Model model = { .rand = rand, .limit = 2, .n_allowed = 2, .may_drop = TRUE, .may_pause = TRUE };
  guint n;

  model.steps = test_steps_new ();
  model.seen = g_hash_table_new (NULL, NULL);
  model.started = g_hash_table_new (NULL, NULL);
  model.finished = g_hash_table_new (NULL, NULL);
  model.runner = test_silent_runner ();
  parallel_background_task_runner_set_output_mode (model.runner, PARALLEL_OUTPUT_MODE_ORDERED);
  test_capture (model.runner);
  parallel_background_task_runner_set_max_parallel (model.runner, model.limit);
  parallel_background_task_runner_set_kill_grace (model.runner, 100);
  connect_handlers (&model);
  while (model.runner != NULL && model.n_operations < n_operations)
    {
      operate (&model);
      g_main_context_iteration (NULL, FALSE);
    }
  if (model.runner != NULL)
    assert_end_of_run (&model);
  test_wait_until (fault_all_over (model.steps));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  n = model.n_operations;
  for (guint i = 0; i < model.steps->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (model.steps, i), &model);
  test_wait_until (g_atomic_int_get (&model.n_running) == 0);
  g_hash_table_unref (model.seen);
  g_hash_table_unref (model.started);
  g_hash_table_unref (model.finished);
  g_ptr_array_unref (model.steps);
  return n;
}

static void
test_random (void)
{
  guint32 seed = (guint32) g_test_rand_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint n = fault_count (40000, 400000);
  guint n_rounds = 0;

  g_test_summary ("Whatever is called from wherever: no more run than may, each step has one end, the states come in "
                  "their order, and each signal once");
  g_test_message ("random seed of this test: %u", seed);
  fault_allow_seconds (900);
  for (guint done = 0; done < n; n_rounds++)
    done += run_round (rand, MIN (n - done, (guint) g_rand_int_range (rand, 20, 300)));
  g_test_message ("%u rounds", n_rounds);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/model/random", test_random);
  return test_run ();
}
