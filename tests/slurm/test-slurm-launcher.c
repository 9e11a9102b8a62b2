/* test-slurm-launcher.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launcher-private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher-support.h"
#include "parallel-run-error.h"

/* A launcher with a real Slurm: three nodes with four CPUs each, started by with-cluster.sh, and used by nobody else. */

static const char *self;

/* Runs a program, with "input" for it to read; what it prints, with lines joined by "|". */
static char *
run_command (const char * const *argv,
             char              **env,
             char              **errors)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE
                                                                        | G_SUBPROCESS_FLAGS_STDOUT_PIPE
                                                                        | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GError) error = NULL;
  char *output = NULL;

  if (env != NULL)
    g_subprocess_launcher_set_environ (launcher, env);
  subprocess = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (subprocess, "input", NULL, &output, errors, &error);
  g_assert_no_error (error);

  return g_strdelimit (g_strchomp (output), "\n", '|');
}

static char *
run_shell (const char *line)
{
  const char * const argv[] = { "/bin/sh", "-c", line, NULL };

  return run_command (argv, NULL, NULL);
}

/* Returns how long it took until @line prints @expected, in seconds. */
static double
await (const char *line,
       const char *expected)
{
  gint64 started = g_get_monotonic_time ();

  for (;;)
    {
      g_autofree char *output = run_shell (line);
      double elapsed = (g_get_monotonic_time () - started) / 1e6;

      if (g_str_equal (output, expected))
        return elapsed;
      if (elapsed > 20)
        g_error ("“%s” prints “%s”, not “%s”", line, output, expected);
    }
}

#define STATES "squeue -h -o %t -S t,i"

static void
assert_released (void)
{
  g_assert_cmpfloat (await (STATES, ""), <, 1.0);
}

static ParallelLauncher *
make_launcher (double      patience,
               const char *option,
               ...)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) options = NULL;
  ParallelLauncher *launcher;
  va_list args;

  va_start (args, option);
  for (; option != NULL; option = va_arg (args, const char *))
    g_strv_builder_add (builder, option);
  va_end (args);
  options = g_strv_builder_end (builder);
  launcher = parallel_launcher_new_slurm ((const char * const *) options);
  parallel_launcher_set_patience (launcher, patience);

  return launcher;
}

static void
assert_places (ParallelLauncher *launcher,
               const char       *expected)
{
  g_autofree char *places = prepare (launcher);

  g_assert_cmpstr (places, ==, expected);
}

/* ---- an allocation of its own ---- */

static void
note_cb (ParallelLauncher *launcher,
         GParamSpec       *pspec,
         gpointer          user_data)
{
  GString *notes = user_data;
  g_autofree char *status = parallel_launcher_dup_status (launcher);

  g_assert_true (g_main_context_is_owner (g_main_context_default ()));
  g_string_append_printf (notes, "%s;", status != NULL ? status : "-");
}

static void
test_places (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-N3", "-n12", NULL);
  g_autoptr (GString) notes = g_string_new (NULL);

  g_signal_connect (launcher, "notify::status", G_CALLBACK (note_cb), notes);
  assert_places (launcher, "n1:4 n2:4 n3:4");
  g_assert_cmpuint (parallel_launcher_get_n_slots (launcher), ==, 12);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  /* The first one may see what came after it. */
  g_assert_true (g_str_equal (notes->str, "waiting for resources;-;") || g_str_equal (notes->str, "-;-;"));
  g_assert_finalize_object (g_steal_pointer (&launcher));
  assert_released ();
}

static void
test_part (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (0, "-n6", NULL);

  assert_places (launcher, "n1:4 n2:2");
  g_clear_object (&launcher);
  assert_released ();
}

/* What a program that is started by @launcher on @node prints. */
static char *
run_at (ParallelLauncher *launcher,
        const char       *node,
        const char       *line,
        char            **errors)
{
  const char * const argv[] = { "/bin/sh", "-c", line, NULL };
  ParallelPlace place = { (char *) node, 0 };
  g_auto (GStrv) full = dup_argv (launcher, &place, argv);
  g_auto (GStrv) env = parallel_launcher_dup_environ (launcher, NULL);

  return run_command ((const char * const *) full, env, errors);
}

/* Environment, working directory and streams are as they should be, and nothing is said of it. */
static void
assert_runs_at (ParallelLauncher *launcher,
                const char       *node)
{
  g_autofree char *errors = NULL;
  g_autofree char *output = run_at (launcher, node, "echo $SLURMD_NODENAME $SLURM_NTASKS $PARALLEL_GLIB_EXEC; pwd; cat", &errors);
  g_autofree char *cwd = g_get_current_dir ();
  g_autofree char *expected = g_strdup_printf ("%s 1 %s|%s|input", node, g_getenv ("PARALLEL_GLIB_EXEC"), cwd);

  g_assert_cmpstr (errors, ==, "");

  g_assert_cmpstr (output, ==, expected);
}

/* With variables that would spoil it. */
static void
test_run (void)
{
  static const char * const variables[][2] = {
    { "SLURM_LABELIO", "1" },
    { "SLURM_STDOUTMODE", "/dev/null" },
    { "SLURM_STDINMODE", "none" },
    { "SLURM_NTASKS_PER_NODE", "4" },
    { "SLURM_DISTRIBUTION", "arbitrary" },
    { "SLURM_EXPORT_ENV", "NONE" },
    { "SLURM_WORKING_DIR", "/nowhere" },
    { "SLURM_DEBUG", "1" },
    { "SLURM_OPEN_MODE", "append" },
    { "SLURM_REMOTE_CWD", "/nowhere" },
    { "SLURM_TIMELIMIT", "0:0:0" },
    { "SLURM_IMMEDIATE", "1" },
    { "SLURM_EXCLUSIVE", "1" },
    { "SRUN_EXPORT_ENV", "NONE" },
    { "SLURM_NTASKS", "7" },
    { "SLURM_NNODES", "3" },
  };
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-N3", "-n12", NULL);

  assert_places (launcher, "n1:4 n2:4 n3:4");
  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++)
    g_setenv (variables[i][0], variables[i][1], TRUE);
  assert_runs_at (launcher, "n1");
  assert_runs_at (launcher, "n2");
  assert_runs_at (launcher, "n3");
  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++)
    g_unsetenv (variables[i][0]);

  g_clear_object (&launcher);
  assert_released ();
}

/* More steps in one place than it has CPUs do not wait for each other. */
static void
test_overlap (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-n1", NULL);
  const char * const argv[] = { "/bin/sh", "-c", "echo; exec cat", NULL };
  ParallelPlace place = { (char *) "n1", 0 };
  g_auto (GStrv) full = NULL;
  g_auto (GStrv) env = NULL;
  g_autoptr (GSubprocess) first = NULL;

  assert_places (launcher, "n1:1");
  full = dup_argv (launcher, &place, argv);
  first = g_subprocess_newv ((const char * const *) full, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL);
  g_free (read_line (first));

  assert_runs_at (launcher, "n1");
  g_assert_nonnull (g_subprocess_get_identifier (first));
  g_assert_true (g_output_stream_close (g_subprocess_get_stdin_pipe (first), NULL, NULL));
  g_assert_true (g_subprocess_wait_check (first, NULL, NULL));
  g_clear_object (&launcher);
  assert_released ();
}

static void
test_cancel (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-n1", NULL);
  const char * const argv[] = { "/bin/sh", "-c", "echo $SLURM_JOB_ID; echo $SLURM_STEP_ID; exec sleep 1000", NULL };
  ParallelPlace place = { (char *) "n1", 0 };
  g_auto (GStrv) full = NULL;
  g_auto (GStrv) cancel = NULL;
  g_autoptr (GSubprocess) sleeper = NULL;
  g_autofree char *job = NULL;
  g_autofree char *step = NULL;
  g_autofree char *output = NULL;

  assert_places (launcher, "n1:1");
  full = dup_argv (launcher, &place, argv);
  sleeper = g_subprocess_newv ((const char * const *) full, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                               NULL);
  job = read_line (sleeper);
  step = read_line (sleeper);
  cancel = parallel_launcher_dup_cancel_argv (launcher, job, step);
  output = run_command ((const char * const *) cancel, NULL, NULL);
  g_assert_cmpstr (output, ==, "");
  g_assert_true (g_subprocess_wait (sleeper, NULL, NULL));

  /* Only the step. */
  assert_runs_at (launcher, "n1");
  g_clear_object (&launcher);
  assert_released ();
}

/* ---- a full cluster ---- */

static void
assert_timed_out (double      patience,
                  const char *pattern)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (patience, "-n1", "--job-name=late", NULL);
  g_auto (Preparation) preparation = { 0 };
  gint64 started = g_get_monotonic_time ();

  preparation_begin (&preparation, launcher);
  preparation_wait (&preparation);
  g_assert_error (preparation.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  if (!g_pattern_match_simple (pattern, preparation.error->message))
    g_error ("“%s” is not “%s”", preparation.error->message, pattern);
  g_assert_cmpfloat ((g_get_monotonic_time () - started) / 1e6, <, patience + 2);
}

static void
test_full (void)
{
  g_autoptr (ParallelLauncher) all = make_launcher (0, "-N3", "-n12", NULL);
  g_autoptr (ParallelLauncher) one = make_launcher (-1, "-n1", NULL);
  g_autoptr (GString) notes = g_string_new (NULL);
  g_auto (Preparation) preparation = { 0 };

  assert_places (all, "n1:4 n2:4 n3:4");
  assert_timed_out (0, "Slurm has not given an allocation (salloc -n1 --job-name=late) at once: *squeue*");
  assert_timed_out (0.5, "Slurm has not given an allocation (salloc -n1 --job-name=late) within 0.5 seconds: *");
  await (STATES, "R");

  g_signal_connect (one, "notify::status", G_CALLBACK (note_cb), notes);
  preparation_begin (&preparation, one);
  while (notes->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (notes->str, ==, "waiting for resources;");
  await (STATES, "PD|R");
  g_assert_cmpuint (preparation.n_calls, ==, 0);

  g_clear_object (&all);
  preparation_wait (&preparation);
  g_assert_no_error (preparation.error);
  g_assert_null (parallel_launcher_dup_status (one));
  g_clear_object (&one);
  assert_released ();
}

/* Nobody waits any more: it leaves the queue. */
static void
test_forget (void)
{
  g_autoptr (ParallelLauncher) all = make_launcher (0, "-N3", "-n12", NULL);
  g_autoptr (ParallelLauncher) forgotten = make_launcher (-1, "-n1", NULL);
  g_autoptr (ParallelLauncher) dropped = make_launcher (-1, "-n2", NULL);
  g_auto (Preparation) first = { 0 };
  g_auto (Preparation) second = { 0 };

  assert_places (all, "n1:4 n2:4 n3:4");
  preparation_begin (&first, forgotten);
  preparation_begin (&second, dropped);
  await (STATES, "PD|PD|R");
  preparation_forget (&first);
  preparation_forget (&second);
  g_clear_object (&dropped);
  await (STATES, "R");
  g_clear_object (&all);
  assert_released ();
}

/* ---- what Slurm refuses ---- */

static void
test_refused (void)
{
  static const struct
  {
    const char *option;
    const char *message;
  } cases[] = {
    { "--partition=nowhere", "Slurm gives no allocation (salloc --partition=nowhere): "
                             "Job submit/allocate failed: Invalid partition name specified" },
    { "--no-such-option", "Slurm gives no allocation (salloc --no-such-option): Try \"salloc --help\" for more information" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ParallelLauncher) launcher = make_launcher (-1, cases[i].option, NULL);
      g_autofree char *message = prepare (launcher);

      g_assert_cmpstr (message, ==, cases[i].message);
    }
}

/* ---- what happens to it ---- */

static void
test_node_down (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-N3", "-n12", NULL);
  g_autofree char *down = NULL;
  g_autofree char *up = NULL;

  assert_places (launcher, "n1:4 n2:4 n3:4");
  down = run_shell ("scontrol update nodename=n2 state=down reason=test");
  await ("sinfo -h -n n2 -o %t", "down");
  assert_runs_at (launcher, "n1");
  assert_runs_at (launcher, "n3");
  up = run_shell ("scontrol update nodename=n2 state=resume");
  g_clear_object (&launcher);
  assert_released ();
  await ("sinfo -h -n n2 -o %t", "idle");
}

static void
test_lost (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-n5", NULL);
  g_autofree char *output = NULL;

  assert_places (launcher, "n1:4 n2:1");
  output = run_shell ("scancel -u $(id -un)");
  while (parallel_launcher_get_n_slots (launcher) != 0)
    g_main_context_iteration (NULL, TRUE);
  assert_places (launcher, "n1:4 n2:1");
  g_clear_object (&launcher);
  assert_released ();
}

/* ---- in an allocation ---- */

static void
test_inside (void)
{
  static const char * const argv[] = { "salloc", "-Q", "-n6", NULL, "--role", "inside", NULL };
  const char *full[G_N_ELEMENTS (argv)];
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  memcpy (full, argv, sizeof full);
  full[3] = self;
  output = run_command (full, NULL, &errors);
  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpstr (output, ==, "n1:4 n2:2|6|n1|n2|R");
  assert_released ();
}

/* In a step of the allocation, too. */
static void
test_inside_step (void)
{
  static const char * const argv[] = { "salloc", "-Q", "-n6", "srun", "-Q", "-N1", "-n1", NULL, "--role", "inside", NULL };
  const char *full[G_N_ELEMENTS (argv)];
  g_autofree char *output = NULL;

  memcpy (full, argv, sizeof full);
  full[7] = self;
  output = run_command (full, NULL, NULL);
  g_assert_cmpstr (output, ==, "n1:4 n2:2|6|n1|n2|R");
  assert_released ();
}

static int
role_inside (void)
{
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_slurm (NULL);
  g_autofree char *places = prepare (launcher);
  g_autofree char *first = run_at (launcher, "n1", "echo $SLURMD_NODENAME", NULL);
  g_autofree char *second = run_at (launcher, "n2", "echo $SLURMD_NODENAME", NULL);
  g_autofree char *states = run_shell (STATES);

  g_print ("%s\n%u\n%s\n%s\n%s\n", places, parallel_launcher_get_n_slots (launcher), first, second, states);
  return 0;
}

/* ---- the program ends ---- */

static int
role_hold (gboolean waits)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (-1, "-N3", "-n12", NULL);
  g_auto (Preparation) preparation = { 0 };

  preparation_begin (&preparation, launcher);
  if (!waits)
    preparation_wait (&preparation);
  be_ready ("ready");
  return 0;
}

static void
test_killed (void)
{
  g_autoptr (GSubprocess) subprocess = start_role (self, "hold");
  g_autofree char *line = read_line (subprocess);

  g_assert_cmpstr (line, ==, "ready");
  await (STATES, "R");
  kill_role (subprocess);
  assert_released ();
}

/* With something running in it. */
static void
test_killed_with_step (void)
{
  g_autoptr (GSubprocess) subprocess = start_role (self, "hold");
  g_autoptr (GSubprocess) step = NULL;
  g_autofree char *line = read_line (subprocess);
  g_autofree char *job = run_shell ("squeue -h -o %i");
  g_autofree char *option = g_strconcat ("--jobid=", job, NULL);

  step = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL, "srun", "-Q", "-N1", "-n1",
                           option, "/bin/sh", "-c", "echo; exec sleep 1000", NULL);
  g_free (read_line (step));
  kill_role (subprocess);
  assert_released ();
  g_assert_true (g_subprocess_wait (step, NULL, NULL));
}

static void
test_killed_waiting (void)
{
  g_autoptr (ParallelLauncher) all = make_launcher (0, "-N3", "-n12", NULL);
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autofree char *line = NULL;

  assert_places (all, "n1:4 n2:4 n3:4");
  subprocess = start_role (self, "wait");
  line = read_line (subprocess);
  await (STATES, "PD|R");
  kill_role (subprocess);
  await (STATES, "R");
  g_clear_object (&all);
  assert_released ();
}

static void
test_exit (void)
{
  g_autoptr (GSubprocess) subprocess = start_role (self, "hold");
  g_autofree char *line = read_line (subprocess);

  await (STATES, "R");
  g_assert_true (g_output_stream_close (g_subprocess_get_stdin_pipe (subprocess), NULL, NULL));
  g_assert_true (g_subprocess_wait_check (subprocess, NULL, NULL));
  assert_released ();
}

int
main (int    argc,
      char **argv)
{
  self = argv[0];
  if (argc == 3 && g_str_equal (argv[1], "--role"))
    return g_str_equal (argv[2], "inside") ? role_inside () : role_hold (g_str_equal (argv[2], "wait"));

  g_test_init (&argc, &argv, NULL);
  g_test_summary ("A launcher with a real Slurm");

  g_test_add_func ("/slurm/places", test_places);
  g_test_add_func ("/slurm/part", test_part);
  g_test_add_func ("/slurm/run", test_run);
  g_test_add_func ("/slurm/overlap", test_overlap);
  g_test_add_func ("/slurm/cancel", test_cancel);
  g_test_add_func ("/slurm/full", test_full);
  g_test_add_func ("/slurm/forget", test_forget);
  g_test_add_func ("/slurm/refused", test_refused);
  g_test_add_func ("/slurm/node-down", test_node_down);
  g_test_add_func ("/slurm/lost", test_lost);
  g_test_add_func ("/slurm/inside", test_inside);
  g_test_add_func ("/slurm/inside-step", test_inside_step);
  g_test_add_func ("/slurm/killed", test_killed);
  g_test_add_func ("/slurm/killed/with-step", test_killed_with_step);
  g_test_add_func ("/slurm/killed/waiting", test_killed_waiting);
  g_test_add_func ("/slurm/exit", test_exit);

  return g_test_run ();
}
