/* test-allocation.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launcher-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher-support.h"
#include "parallel-run-error.h"

/* How a launcher for Slurm gets an allocation, and lets go of it, with a salloc of the test's own; what the real one makes of it is
 * tested in tests/slurm.
 *
 * It tells what happens to it through a named pipe, a line at a time: "begin" with its options, "signal" when it gets SIGHUP, "end"
 * when it has given back what it had. PARALLEL_TEST_SALLOC says what it does. */
static const char salloc_script[] =
  "#!/bin/sh\n"
  "exec 3<&0 4>\"$PARALLEL_TEST_FOLDER/events\"\n"
  "options=\n"
  "while [ \"$1\" != cat ]; do options=\"$options $1\"; shift; done\n"
  "case $PARALLEL_TEST_SALLOC in\n"
  "deaf) trap '' HUP ;;\n"
  "*) trap 'echo signal >&4; kill -KILL $! 2>/dev/null' HUP ;;\n"
  "esac\n"
  "begin () { echo \"begin$options\" >&4; }\n"
  "[ $PARALLEL_TEST_SALLOC = wait ] || begin\n"
  /* What the shell says of signals must not end it when nobody reads it any more. */
  "[ $PARALLEL_TEST_SALLOC = no ] || exec 2>/dev/null\n"
  "export SLURM_JOB_ID=21 SLURM_JOB_NODELIST='n[1-2]' SLURM_JOB_CPUS_PER_NODE='4,2'\n"
  "case $PARALLEL_TEST_SALLOC in\n"
  "wait) sleep 100 >/dev/null 2>&1 4>&- & begin; wait $! ;;\n"
  "bad) SLURM_JOB_NODELIST='n[' \"$@\" <&3 4>&- & wait $! ;;\n"
  "lost) head -c 1 <&3 >/dev/null; cat /proc/self/environ; printf '\\0'; exit 0 ;;\n"
  "no) echo 'salloc: error: first' >&2; echo 'salloc: error: no such partition' >&2; exit 1 ;;\n"
  "silent) exit 3 ;;\n"
  "busy) exit $SLURM_EXIT_IMMEDIATE ;;\n"
  "*) \"$@\" <&3 4>&- & wait $!; wait $! ;;\n"
  "esac\n"
  "trap '' HUP\n"
  "echo end >&4\n";

static char *folder;
static const char *self;

/* Its read end; open for writing too, so that it never ends. */
static int events;

/* The next line, or NULL if there is none now. */
static char *
try_event (int patience)
{
  GString *line = g_string_new (NULL);
  char byte = 0;

  while (byte != '\n')
    {
      struct pollfd item = { events, POLLIN, 0 };
      int n = poll (&item, 1, line->len > 0 ? 30000 : patience);

      if (n < 0 && errno == EINTR)
        continue;
      if (n == 0)
        {
          g_string_free (line, TRUE);
          return NULL;
        }
      g_assert_cmpint (read (events, &byte, 1), ==, 1);
      g_string_append_c (line, byte);
    }
  g_string_truncate (line, line->len - 1);

  return g_string_free (line, FALSE);
}

static void
expect_event (const char *expected)
{
  g_autofree char *line = try_event (30000);

  g_assert_cmpstr (line, ==, expected);
}

/* "end", and "signal" before it or not: the signal of the program's death comes once for each of its threads. */
static void
expect_end (void)
{
  g_autofree char *line = try_event (30000);

  if (g_strcmp0 (line, "signal") == 0)
    expect_end ();
  else
    g_assert_cmpstr (line, ==, "end");
}

static void
expect_no_event (void)
{
  g_assert_null (try_event (0));
}

static ParallelLauncher *
make_launcher (const char *mode,
               double      patience)
{
  static const char * const options[] = { "-n6", "-p", "test", NULL };
  ParallelLauncher *launcher = parallel_launcher_new_slurm (options);

  g_setenv ("PARALLEL_TEST_SALLOC", mode, TRUE);
  parallel_launcher_set_patience (launcher, patience);

  return launcher;
}

#define BEGIN "begin -Q --no-kill --kill-command -n6 -p test"
#define BEGIN_IMMEDIATE "begin -Q --no-kill --kill-command --immediate -n6 -p test"

/* ---- it is granted ---- */

static void
note_cb (ParallelLauncher *launcher,
         GParamSpec       *pspec,
         gpointer          user_data)
{
  GString *notes = user_data;
  g_autofree char *status = parallel_launcher_dup_status (launcher);

  g_assert_true (g_main_context_is_owner (g_main_context_default ()));
  if (g_str_equal (pspec->name, "status"))
    g_string_append_printf (notes, "%s;", status != NULL ? status : "-");
  else
    g_string_append_printf (notes, "%u;", parallel_launcher_get_n_slots (launcher));
}

static void
test_granted (void)
{
  static const char * const argv[] = { "agent", NULL };
  ParallelPlace place = { (char *) "n2", 2 };
  g_autoptr (ParallelLauncher) launcher = make_launcher ("grant", -1);
  g_autoptr (GString) notes = g_string_new (NULL);
  g_auto (Preparation) first = { 0 };
  g_auto (Preparation) second = { 0 };
  g_auto (GStrv) full = NULL;
  g_autofree char *again = NULL;
  g_autofree char *text = NULL;

  g_signal_connect (launcher, "notify", G_CALLBACK (note_cb), notes);
  g_assert_cmpuint (parallel_launcher_get_n_slots (launcher), ==, 0);
  preparation_begin (&first, launcher);
  preparation_begin (&second, launcher);
  preparation_wait (&first);
  preparation_wait (&second);
  g_assert_no_error (first.error);
  g_assert_no_error (second.error);
  g_assert_cmpuint (second.places->len, ==, 2);

  again = prepare (launcher);
  g_assert_cmpstr (again, ==, "n1:4 n2:2");
  full = dup_argv (launcher, &place, argv);
  text = join_argv (full);
  g_assert_cmpstr (text, ==, "srun|-Q|-u|-N1|-n1|--overlap|--exact|--mpi=none|--jobid=21|--nodelist=n2|agent");

  while (g_main_context_iteration (NULL, FALSE))
    ;
  /* The first one may see what came after it. */
  g_assert_true (g_str_equal (notes->str, "waiting for resources;-;6;") || g_str_equal (notes->str, "-;-;6;"));

  expect_event (BEGIN);
  expect_no_event ();
  g_assert_finalize_object (g_steal_pointer (&launcher));
  expect_end ();
  expect_no_event ();
}

/* Without waiting, once it is granted, the time does not matter any more. */
static void
test_immediate (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher ("grant", 0);
  g_autofree char *places = prepare (launcher);

  g_assert_cmpstr (places, ==, "n1:4 n2:2");
  expect_event (BEGIN_IMMEDIATE);
  g_clear_object (&launcher);
  expect_end ();
}

/* Who has no reference any more has it let go of, also from another thread. */
static gpointer
unref_thread (gpointer data)
{
  g_object_unref (data);

  return NULL;
}

static void
test_other_thread (void)
{
  ParallelLauncher *launcher = make_launcher ("grant", -1);
  g_autofree char *places = prepare (launcher);

  g_assert_cmpstr (places, ==, "n1:4 n2:2");
  expect_event (BEGIN);
  g_thread_join (g_thread_new ("unref", unref_thread, launcher));
  expect_end ();
}

/* Somebody else ends it: the next one who needs it has another one got. */
static void
test_lost (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher ("lost", -1);
  g_autofree char *first = prepare (launcher);
  g_autofree char *second = NULL;

  g_assert_cmpstr (first, ==, "n1:4 n2:2");
  expect_event (BEGIN);
  while (parallel_launcher_get_n_slots (launcher) != 0)
    g_main_context_iteration (NULL, TRUE);

  g_setenv ("PARALLEL_TEST_SALLOC", "grant", TRUE);
  second = prepare (launcher);
  g_assert_cmpstr (second, ==, "n1:4 n2:2");
  expect_event (BEGIN);
  g_clear_object (&launcher);
  expect_end ();
}

/* ---- it is not ---- */

static void
assert_refused (const char *mode,
                double      patience,
                GQuark      domain,
                int         code,
                const char *message)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher (mode, patience);
  g_auto (Preparation) preparation = { 0 };

  preparation_begin (&preparation, launcher);
  preparation_wait (&preparation);
  g_assert_error (preparation.error, domain, code);
  g_assert_cmpstr (preparation.error->message, ==, message);
  g_assert_null (parallel_launcher_dup_status (launcher));
  g_assert_cmpuint (parallel_launcher_get_n_slots (launcher), ==, 0);
  expect_event (patience == 0 ? BEGIN_IMMEDIATE : BEGIN);
}

#define TOO_LATE ": ask for less, wait longer (the launcher’s patience), or look with squeue at what is in the way"

static void
test_refused (void)
{
  assert_refused ("no", -1, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                  "Slurm gives no allocation (salloc -n6 -p test): no such partition");
  assert_refused ("silent", -1, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                  "Slurm gives no allocation (salloc -n6 -p test): Child process exited with code 3");
  assert_refused ("no", 0, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                  "Slurm gives no allocation (salloc -n6 -p test): no such partition");
  assert_refused ("busy", 0, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                  "Slurm has not given an allocation (salloc -n6 -p test) at once" TOO_LATE);
  expect_no_event ();
}

static void
test_patience (void)
{
  assert_refused ("wait", 0.25, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                  "Slurm has not given an allocation (salloc -n6 -p test) within 0.25 seconds" TOO_LATE);
  expect_event ("signal");
  expect_event ("end");
}

static void
test_bad_environment (void)
{
  assert_refused ("bad", -1, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                  "Slurm’s list of nodes is not understood: “n[”");
  expect_end ();
}

/* After a failure it is tried again. */
static void
test_again (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher ("no", -1);
  g_autofree char *first = prepare (launcher);
  g_autofree char *second = NULL;

  g_assert_true (g_str_has_prefix (first, "Slurm gives no allocation"));
  expect_event (BEGIN);
  g_setenv ("PARALLEL_TEST_SALLOC", "grant", TRUE);
  second = prepare (launcher);
  g_assert_cmpstr (second, ==, "n1:4 n2:2");
  expect_event (BEGIN);
  g_clear_object (&launcher);
  expect_end ();
}

/* ---- nobody wants it any more ---- */

static void
test_forget (void)
{
  g_autoptr (ParallelLauncher) launcher = make_launcher ("wait", -1);
  g_auto (Preparation) first = { 0 };
  g_auto (Preparation) second = { 0 };
  g_autofree char *status = NULL;

  preparation_begin (&first, launcher);
  preparation_begin (&second, launcher);
  expect_event (BEGIN);

  preparation_forget (&first);
  status = parallel_launcher_dup_status (launcher);
  g_assert_cmpstr (status, ==, "waiting for resources");
  preparation_forget (&second);
  g_assert_null (parallel_launcher_dup_status (launcher));
  expect_event ("signal");
  expect_event ("end");

  g_clear_object (&launcher);
  g_assert_cmpuint (first.n_calls, ==, 0);
  g_assert_cmpuint (second.n_calls, ==, 0);
}

/* Who is called may forget the next one, and ask again. */
static ParallelLauncher *nested_launcher;
static guint n_nested;

static void
never_cb (const GPtrArray *places,
          const GError    *error,
          gpointer         user_data)
{
  g_assert_not_reached ();
}

static void
again_cb (const GPtrArray *places,
          const GError    *error,
          gpointer         user_data)
{
  g_assert_no_error (error);
  g_atomic_int_inc ((gint *) &n_nested);
  g_main_context_wakeup (NULL);
}

static void
forgetful_cb (const GPtrArray *places,
              const GError    *error,
              gpointer         user_data)
{
  parallel_launcher_forget (nested_launcher, (gpointer) never_cb);
  parallel_launcher_prepare (nested_launcher, again_cb, NULL);
}

static void
nest_func (gpointer data)
{
  parallel_launcher_prepare (data, forgetful_cb, (gpointer) forgetful_cb);
  parallel_launcher_prepare (data, never_cb, (gpointer) never_cb);
}

static void
test_forget_when_called (void)
{
  nested_launcher = make_launcher ("grant", -1);
  in_engine (nest_func, nested_launcher);
  while (g_atomic_int_get ((gint *) &n_nested) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (n_nested, ==, 1);
  g_clear_object (&nested_launcher);
  expect_event (BEGIN);
  expect_end ();
}

/* ---- the program ends ---- */

static void
child_handler (int number)
{
}

/* Where a program has a handler for SIGCHLD, everything that it starts is supervised. */
static void
set_child_handler (void)
{
  struct sigaction action = { .sa_handler = child_handler, .sa_flags = SA_RESTART };

  sigaction (SIGCHLD, &action, NULL);
}

static int
run_as (const char *role)
{
  const char *mode = strchr (role, '-') + 1;
  g_autoptr (ParallelLauncher) launcher = make_launcher (mode, -1);
  g_auto (Preparation) preparation = { 0 };

  if (g_str_has_prefix (role, "handler"))
    set_child_handler ();
  preparation_begin (&preparation, launcher);
  if (g_str_equal (mode, "wait"))
    {
      be_ready ("waits");
      return 0;
    }

  preparation_wait (&preparation);
  g_assert_no_error (preparation.error);
  if (g_str_has_prefix (role, "fork") && fork () == 0)
    {
      be_ready ("child");
      _exit (0);
    }
  if (g_str_has_prefix (role, "drop"))
    {
      set_child_handler ();
      g_clear_object (&launcher);
    }
  if (!g_str_has_prefix (role, "fork"))
    be_ready ("granted");
  else
    pause ();
  return 0;
}

static GSubprocess *
start (const char *role,
       const char *words)
{
  GSubprocess *subprocess = start_role (self, role);
  g_autofree char *line = read_line (subprocess);

  g_assert_cmpstr (line, ==, words);
  expect_event (BEGIN);
  return subprocess;
}

static void
test_killed (gconstpointer data)
{
  const char *role = data;
  gboolean waits = g_str_has_suffix (role, "wait");
  g_autoptr (GSubprocess) subprocess = start (role, waits ? "waits" : "granted");

  kill_role (subprocess);
  if (waits)
    expect_event ("signal");
  expect_end ();
}

/* The end of its input is enough; a child of the program that lives on must not keep it open. */
static void
test_killed_parent (void)
{
  g_autoptr (GSubprocess) subprocess = start ("fork-deaf", "child");

  kill_role (subprocess);
  expect_event ("end");
  /* The child has the pipe until here, and ends with it. */
  g_assert_true (g_output_stream_close (g_subprocess_get_stdin_pipe (subprocess), NULL, NULL));
}

static void
test_exit (void)
{
  g_autoptr (GSubprocess) subprocess = start ("plain-grant", "granted");

  g_assert_true (g_output_stream_close (g_subprocess_get_stdin_pipe (subprocess), NULL, NULL));
  g_assert_true (g_subprocess_wait_check (subprocess, NULL, NULL));
  expect_end ();
}

/* Where exit statuses are not safe the program is supervised, and cannot be signalled by itself. */
static void
test_supervised (void)
{
  struct sigaction before;
  g_autoptr (ParallelLauncher) launcher = make_launcher ("wait", -1);
  g_auto (Preparation) preparation = { 0 };

  sigaction (SIGCHLD, NULL, &before);
  set_child_handler ();
  preparation_begin (&preparation, launcher);
  expect_event (BEGIN);
  preparation_forget (&preparation);
  expect_event ("signal");
  expect_event ("end");
  sigaction (SIGCHLD, &before, NULL);
}

static void
make_program (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents_full (path, salloc_script, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
}

static void
set_up (void)
{
  g_autofree char *fifo = NULL;
  g_autofree char *path = NULL;

  folder = g_dir_make_tmp ("parallel-glib-XXXXXX", NULL);
  fifo = g_build_filename (folder, "events", NULL);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  events = open (fifo, O_RDWR | O_CLOEXEC);
  make_program ("salloc");
  make_program ("srun");
  path = g_strconcat (folder, ":", g_getenv ("PATH"), NULL);
  g_setenv ("PATH", path, TRUE);
  g_setenv ("PARALLEL_TEST_FOLDER", folder, TRUE);
}

static void
tear_down (void)
{
  static const char * const names[] = { "events", "salloc", "srun", "" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      remove (path);
    }
  g_free (folder);
}

int
main (int    argc,
      char **argv)
{
  int status;

  self = argv[0];
  g_unsetenv ("SLURM_JOB_ID");
  if (argc == 3 && g_str_equal (argv[1], "--role"))
    return run_as (argv[2]);

  g_test_init (&argc, &argv, NULL);
  g_test_summary ("How a launcher for Slurm gets an allocation, and lets go of it");
  set_up ();

  g_test_add_func ("/allocation/granted", test_granted);
  g_test_add_func ("/allocation/immediate", test_immediate);
  g_test_add_func ("/allocation/other-thread", test_other_thread);
  g_test_add_func ("/allocation/lost", test_lost);
  g_test_add_func ("/allocation/refused", test_refused);
  g_test_add_func ("/allocation/patience", test_patience);
  g_test_add_func ("/allocation/bad-environment", test_bad_environment);
  g_test_add_func ("/allocation/again", test_again);
  g_test_add_func ("/allocation/forget", test_forget);
  g_test_add_func ("/allocation/forget-when-called", test_forget_when_called);
  g_test_add_data_func ("/allocation/killed", "plain-grant", test_killed);
  g_test_add_data_func ("/allocation/killed/waiting", "plain-wait", test_killed);
  g_test_add_data_func ("/allocation/killed/supervised", "handler-grant", test_killed);
  g_test_add_data_func ("/allocation/killed/supervised-waiting", "handler-wait", test_killed);
  g_test_add_func ("/allocation/killed/parent", test_killed_parent);
  g_test_add_func ("/allocation/exit", test_exit);
  g_test_add_func ("/allocation/supervised", test_supervised);

  status = g_test_run ();
  tear_down ();
  return status;
}
