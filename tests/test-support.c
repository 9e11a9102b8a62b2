/* test-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "test-support.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SECONDS 120
#define EVENT_SECONDS 60

/* The least that there ever was between two tests: just after the warm-up, or a test, something may still be on its
 * way out. */
static guint least_fds = G_MAXUINT;
static guint least_threads = G_MAXUINT;

static char *base_folder;
static char *spool_folder;
static char *current_folder;

/* The hard limit */

/* Everything is lost when this is called, so it does what a signal handler must not do. */
static void
hang_cb (int signum)
{
  static const char script[] =
    "exec >&2; echo \"*** the time limit is over\"\n"
    "for p in $1 $(cat /proc/$1/task/*/children); do\n"
    "  echo \"*** process $p: $(tr '\\0' ' ' < /proc/$p/cmdline)\"\n"
    "  if command -v gdb > /dev/null; then gdb -batch -ex 'thread apply all bt' -p $p\n"
    "  elif command -v eu-stack > /dev/null; then eu-stack -p $p\n"
    "  else for t in /proc/$p/task/*; do\n"
    "    echo \"${t##*/} $(cat $t/comm) in $(cat $t/wchan): $(cat $t/syscall)\"; done\n"
    "  fi\n"
    "done\n";
  char pid[16];
  pid_t child;

  g_snprintf (pid, sizeof pid, "%d", (int) getpid ());
  child = fork ();
  if (child == 0)
    {
      execl ("/bin/sh", "sh", "-c", script, "sh", pid, NULL);
      _exit (127);
    }
  if (child > 0)
    waitpid (child, NULL, 0);
  abort ();
}

double
test_time_factor (void)
{
  const char *text = g_getenv ("PARALLEL_TEST_TIME_FACTOR");

  return text != NULL ? g_ascii_strtod (text, NULL) : 1;
}

gboolean
test_has_sanitizer (void)
{
#ifdef __SANITIZE_ADDRESS__
  return TRUE;
#else
  return FALSE;
#endif
}

/* This process */

static guint
count_entries (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (folder);
  while (g_dir_read_name (folder) != NULL)
    n++;
  return n;
}

guint
test_count_fds (void)
{
  /* Without the one that reads the folder. */
  return count_entries ("/proc/self/fd") - 1;
}

/* Without the threads of GLib's own pool, which come and go as GIO likes. */
guint
test_count_threads (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", name, "comm", NULL);
      g_autofree char *comm = NULL;

      if (g_file_get_contents (path, &comm, NULL, NULL) && !g_str_has_prefix (comm, "pool-"))
        n++;
    }
  return n;
}

/* Gives the state letter and the parent of a process; FALSE when there is none. */
static gboolean
read_stat (const char *pid,
           char       *state,
           int        *parent)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *text = NULL;
  const char *rest;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  rest = strrchr (text, ')');
  g_assert_nonnull (rest);
  *state = rest[2];
  *parent = atoi (rest + 4);
  return TRUE;
}

/* Zombies count. */
GArray *
test_list_children (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  GArray *children = g_array_new (FALSE, FALSE, sizeof (int));
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      int pid = atoi (name);
      char state;
      int parent;

      if (g_ascii_isdigit (name[0]) && read_stat (name, &state, &parent) && parent == getpid ())
        g_array_append_val (children, pid);
    }
  return children;
}

guint
test_count_children (void)
{
  g_autoptr (GArray) children = test_list_children ();

  return children->len;
}

gboolean
test_process_runs (int pid)
{
  g_autofree char *name = g_strdup_printf ("%d", pid);
  char state;
  int parent;

  return read_stat (name, &state, &parent) && state != 'Z' && state != 'X';
}

static gint64
read_status (const char *field)
{
  g_autofree char *text = NULL;
  const char *place;

  g_file_get_contents ("/proc/self/status", &text, NULL, NULL);
  g_assert_nonnull (text);
  place = strstr (text, field);
  g_assert_nonnull (place);
  return g_ascii_strtoll (place + strlen (field), NULL, 10) * 1024;
}

gint64
test_memory_now (void)
{
  return read_status ("VmRSS:");
}

gint64
test_memory_peak (void)
{
  return read_status ("VmHWM:");
}

/* Waiting */

gint64
test_deadline (void)
{
  return g_get_monotonic_time () + (gint64) (EVENT_SECONDS * test_time_factor () * G_USEC_PER_SEC);
}

void
test_nap (gint64      deadline,
          const char *condition)
{
  if (g_get_monotonic_time () > deadline)
    g_error ("waited in vain for: %s", condition);
  g_usleep (500);
}

void
test_iterate (GMainContext *context,
              gint64        deadline,
              const char   *condition)
{
  if (!g_main_context_iteration (context, FALSE))
    test_nap (deadline, condition);
}

void
test_gate_init (TestGate *gate)
{
  memset (gate, 0, sizeof *gate);
  g_mutex_init (&gate->mutex);
  g_cond_init (&gate->cond);
}

void
test_gate_clear (TestGate *gate)
{
  g_mutex_clear (&gate->mutex);
  g_cond_clear (&gate->cond);
}

static void
wake_gate_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  TestGate *gate = user_data;

  g_mutex_lock (&gate->mutex);
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->mutex);
}

gboolean
test_gate_enter_or_cancel (TestGate      *gate,
                           GCancellable  *cancellable,
                           GError       **error)
{
  gulong handler = 0;

  if (cancellable != NULL)
    handler = g_cancellable_connect (cancellable, G_CALLBACK (wake_gate_cb), gate, NULL);
  g_mutex_lock (&gate->mutex);
  gate->n_entered++;
  gate->n_waiting++;
  gate->n_most = MAX (gate->n_most, gate->n_waiting);
  g_cond_broadcast (&gate->cond);
  while (!gate->open && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&gate->cond, &gate->mutex);
  gate->n_waiting--;
  g_mutex_unlock (&gate->mutex);
  if (handler != 0)
    g_cancellable_disconnect (cancellable, handler);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

void
test_gate_enter (TestGate *gate)
{
  test_gate_enter_or_cancel (gate, NULL, NULL);
}

void
test_gate_open (TestGate *gate)
{
  g_mutex_lock (&gate->mutex);
  gate->open = TRUE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->mutex);
}

void
test_gate_await (TestGate *gate,
                 guint     n_entered)
{
  gint64 deadline = test_deadline ();

  g_mutex_lock (&gate->mutex);
  while (gate->n_entered < n_entered)
    if (!g_cond_wait_until (&gate->cond, &gate->mutex, deadline))
      g_error ("only %u of %u came to the gate", gate->n_entered, n_entered);
  g_mutex_unlock (&gate->mutex);
}

guint
test_gate_get_entered (TestGate *gate)
{
  guint n;

  g_mutex_lock (&gate->mutex);
  n = gate->n_entered;
  g_mutex_unlock (&gate->mutex);
  return n;
}

gboolean
test_gate_function (ParallelStep  *step,
                    GCancellable  *cancellable,
                    gpointer       gate,
                    GError       **error)
{
  return test_gate_enter_or_cancel (gate, cancellable, error);
}

void
test_store_result_cb (GObject      *source,
                      GAsyncResult *result,
                      gpointer      result_location)
{
  GAsyncResult **location = result_location;

  g_assert_null (*location);
  *location = g_object_ref (result);
}

GAsyncResult *
test_await_result (GMainContext  *context,
                   GAsyncResult **result_location)
{
  test_iterate_until (context, *result_location != NULL);
  return *result_location;
}

char *
test_read_until (int         fd,
                 const char *text)
{
  g_autoptr (GString) all = g_string_new (NULL);
  gint64 deadline = test_deadline ();

  while (strstr (all->str, text) == NULL)
    {
      struct pollfd poll_fd = { fd, POLLIN, 0 };
      char buffer[4096];
      gssize n;

      if (poll (&poll_fd, 1, 1000) <= 0)
        {
          test_nap (deadline, text);
          continue;
        }
      n = read (fd, buffer, sizeof buffer);
      if (n <= 0)
        g_error ("the end came before \"%s\", after \"%s\"", text, all->str);
      g_string_append_len (all, buffer, n);
    }
  return g_string_free (g_steal_pointer (&all), FALSE);
}

/* Files */

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *entry = g_build_filename (path, name, NULL);

      if (g_file_test (entry, G_FILE_TEST_IS_DIR) && !g_file_test (entry, G_FILE_TEST_IS_SYMLINK))
        remove_folder (entry);
      else
        g_unlink (entry);
    }
  g_rmdir (path);
}

char *
test_path (const char *name)
{
  g_assert_nonnull (current_folder);
  return g_build_filename (current_folder, name, NULL);
}

char *
test_fifo (const char *name)
{
  char *path = test_path (name);

  g_assert_no_errno (mkfifo (path, 0600));
  return path;
}

void
test_write_file (const char *path,
                 const char *text)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

char *
test_read_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* 0 when there is no whole line yet. */
static int
read_number (const char *path)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL) || strchr (text, '\n') == NULL)
    return 0;
  return atoi (text);
}

int
test_await_number (const char *path)
{
  int number = 0;

  test_wait_until ((number = read_number (path)) != 0);
  return number;
}

void
test_release_fifo (const char *path)
{
  gint64 deadline = test_deadline ();
  int fd;

  /* Non-blocking, so that a reader that never comes is an error here and not a hanging test. */
  while ((fd = open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
    {
      g_assert_cmpint (errno, ==, ENXIO);
      test_nap (deadline, path);
    }
  g_assert_cmpint (write (fd, "\n", 1), ==, 1);
  close (fd);
}

/* Steps and tasks */

gboolean
test_no_op (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  return TRUE;
}

ParallelStep *
test_function_step (ParallelFunction function,
                    gpointer         user_data)
{
  return parallel_step_new (parallel_function_task_new (function, user_data, NULL), NULL);
}

ParallelStep *
test_shell_step (const char *format,
                 ...)
{
  g_autofree char *command_line = NULL;
  va_list args;

  va_start (args, format);
  command_line = g_strdup_vprintf (format, args);
  va_end (args);
  return parallel_step_new (parallel_command_task_new_shell (command_line), NULL);
}

GPtrArray *
test_steps_new (void)
{
  return g_ptr_array_new_with_free_func (g_object_unref);
}

void
test_put_int (ParallelBackgroundTaskRunner *runner,
              int                           input)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (GError) error = NULL;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, input);
  g_assert_true (parallel_background_task_runner_put (runner, &value, &error));
  g_assert_no_error (error);
}

void
test_put_step (ParallelBackgroundTaskRunner *runner,
               ParallelStep                 *step)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (parallel_background_task_runner_put_step (runner, step, &error));
  g_assert_no_error (error);
}

ParallelStep *
test_put_shell (ParallelBackgroundTaskRunner *runner,
                const char                   *format,
                ...)
{
  g_autofree char *command_line = NULL;
  ParallelStep *step;
  va_list args;

  va_start (args, format);
  command_line = g_strdup_vprintf (format, args);
  va_end (args);
  step = parallel_step_new (parallel_command_task_new_shell (command_line), NULL);
  test_put_step (runner, step);
  return step;
}

ParallelStep *
test_put_function (ParallelBackgroundTaskRunner *runner,
                   ParallelFunction              function,
                   gpointer                      user_data)
{
  ParallelStep *step = test_function_step (function, user_data);

  test_put_step (runner, step);
  return step;
}

int
test_get_int (ParallelStep *step)
{
  return g_value_get_int (parallel_step_get_input (step));
}

void
test_set_int (ParallelStep *step,
              int           result)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, result);
  parallel_step_set_result (step, &value);
}

ParallelBackgroundTaskRunner *
test_silent_runner (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);

  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  return runner;
}

GOutputStream *
test_capture (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new_resizable ();

  parallel_background_task_runner_set_sink (runner, stream);
  return stream;
}

GOutputStream *
test_capture_errors (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new_resizable ();

  parallel_background_task_runner_set_error_sink (runner, stream);
  return stream;
}

char *
test_captured (GOutputStream *stream)
{
  GMemoryOutputStream *memory = G_MEMORY_OUTPUT_STREAM (stream);
  gsize size = g_memory_output_stream_get_data_size (memory);

  return size > 0 ? g_strndup (g_memory_output_stream_get_data (memory), size) : g_strdup ("");
}

void
test_close_and_wait (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_close (runner);
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_no_error (error);
}

void
test_assert_output (ParallelStep        *step,
                    ParallelOutputStream stream,
                    const char          *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = parallel_step_dup_output (step, stream, &error);
  gsize size;
  const char *data;

  g_assert_no_error (error);
  g_assert_nonnull (bytes);
  data = g_bytes_get_data (bytes, &size);
  g_assert_cmpmem (data, size, expected, strlen (expected));
  g_assert_cmpuint (parallel_step_get_output_size (step, stream), ==, strlen (expected));
}

void
test_assert_step_error (ParallelStep *step,
                        GQuark        domain,
                        int           code)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_FAILED);
  g_assert_error (error, domain, code);
}

void
test_assert_names (GPtrArray  *steps,
                   const char *expected)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < steps->len; i++)
    {
      g_autofree char *name = parallel_step_dup_name (g_ptr_array_index (steps, i));

      g_string_append_printf (names, "%s%s", i > 0 ? " " : "", name);
    }
  g_assert_cmpstr (names->str, ==, expected);
}

/* The program */

static void
note_least (void)
{
  least_fds = MIN (least_fds, test_count_fds ());
  least_threads = MIN (least_threads, test_count_threads ());
}

static void
setup (gpointer      fixture,
       gconstpointer function)
{
  static guint n_tests;
  g_autofree char *name = g_strdup_printf ("%u", n_tests++);

  current_folder = g_build_filename (base_folder, name, NULL);
  g_assert_no_errno (g_mkdir (current_folder, 0700));
  note_least ();
  alarm ((guint) (TEST_SECONDS * test_time_factor ()));
}

static void
call (gpointer      fixture,
      gconstpointer function)
{
  ((GTestFunc) function) ();
}

static void
teardown (gpointer      fixture,
          gconstpointer function)
{
  test_wait_until (test_count_children () == 0);
  if (!g_test_subprocess ())
    {
      test_wait_until (test_count_threads () <= least_threads);
      test_wait_until (test_count_fds () <= least_fds);
      note_least ();
    }
  g_assert_cmpuint (count_entries (spool_folder), ==, 0);
  alarm (0);
  remove_folder (current_folder);
  g_clear_pointer (&current_folder, g_free);
}

/* Starts what the library and GLib start once a process and then keep, so that the counts before and after each test
 * can be compared. */
static void
warm_up (void)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (steps, test_shell_step ("true"));
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_assert_true (parallel_run_steps (steps, 0, FALSE, NULL, &error));
  g_assert_no_error (error);
  test_wait_until (test_count_children () == 0);
}

void
test_init (int    *argc,
           char ***argv)
{
  struct sigaction action = { .sa_handler = hang_cb };
  const char *folder = g_getenv ("PARALLEL_TEST_FOLDER");

  /* A subprocess has its folder in that of its parent, which removes it if the subprocess cannot. */
  if (folder == NULL)
    folder = g_getenv ("TMPDIR");
  base_folder = g_build_filename (folder != NULL ? folder : "/tmp", "parallel-test-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (base_folder));
  spool_folder = g_build_filename (base_folder, "spool", NULL);
  g_assert_no_errno (g_mkdir (spool_folder, 0700));
  g_setenv ("PARALLEL_TEST_FOLDER", base_folder, TRUE);
  g_setenv ("TMPDIR", spool_folder, TRUE);
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  sigaction (SIGALRM, &action, NULL);
  g_test_init (argc, argv, NULL);
}

int
test_run (void)
{
  int status;

  if (!g_test_subprocess ())
    warm_up ();
  status = g_test_run ();
  remove_folder (base_folder);
  g_free (base_folder);
  g_free (spool_folder);
  return status;
}

void
test_add (const char *path,
          GTestFunc   function)
{
  g_test_add_vtable (path, 0, (gconstpointer) function, setup, call, teardown);
}

void
test_in_subprocess (const char *path)
{
  g_test_trap_subprocess (path, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}
