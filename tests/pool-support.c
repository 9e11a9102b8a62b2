/* pool-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "pool-support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- in the worker ---- */

static GVariant *
text_new (const char *text)
{
  return g_variant_new_string (text);
}

static void
append_to_file (const char *path,
                const char *text)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
  close (fd);
}

/* To both streams, by stdio, by write() and by programs. */
static void
print_in_turns (const char *name)
{
  g_autofree char *command = g_strdup_printf ("echo %s-program; echo %s-error >&2", name, name);
  g_autofree char *direct = g_strdup_printf ("%s-direct\n", name);

  printf ("%s-out\n", name);
  fflush (stdout);
  fprintf (stderr, "%s-err\n", name);
  g_assert_cmpint (write (2, direct, strlen (direct)), ==, strlen (direct));
  g_assert_cmpint (system (command), ==, 0);
  printf ("%s-end", name);
}

static void
print_much (int n_pieces)
{
  g_autofree char *piece = g_malloc (10000);

  for (int i = 0; i < n_pieces; i++)
    {
      memset (piece, 'a' + i % 26, 10000);
      fwrite (piece, 1, 10000, i < n_pieces / 2 ? stdout : stderr);
      fflush (stdout);
    }
}

/* Reads one byte of a FIFO that somebody else opens for writing. */
static void
wait_for_fifo (const char *path)
{
  char byte;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  while (read (fd, &byte, 1) < 0)
    ;
  close (fd);
}

static void
ignore_term (void)
{
  signal (SIGTERM, SIG_IGN);
}

/* Signs of life for more than the silence limit of the test. */
static void
beat (ParallelWorker *worker)
{
  for (int i = 0; i < 12; i++)
    {
      g_usleep (100 * 1000);
      parallel_worker_heartbeat (worker);
    }
  parallel_worker_report (worker, 0.5, "half");
}

/* Dies after it has started a program, whose number is in the file @path. */
static void
leave_orphan (const char *path)
{
  const char *argv[] = { "/bin/sh", "-c", "echo $$ > \"$0\"; exec setsid sleep 1000", path, NULL };

  g_assert_true (g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL));
  while (!g_file_test (path, G_FILE_TEST_EXISTS))
    g_usleep (1000);
  kill (getpid (), SIGKILL);
}

/* Those that do not come back, or not soon. */
static gboolean
leave (const char *what,
       const char *with)
{
  if (g_str_equal (what, "kill"))
    {
      printf ("%s", with);
      fflush (stdout);
      kill (getpid (), SIGKILL);
    }
  else if (g_str_equal (what, "exit"))
    _exit (atoi (with));
  else if (g_str_equal (what, "orphan"))
    leave_orphan (with);
  else if (g_str_equal (what, "hang"))
    pause ();
  else if (g_str_equal (what, "hang-deaf"))
    {
      ignore_term ();
      pause ();
    }
  else if (g_str_equal (what, "fifo"))
    wait_for_fifo (with);
  else
    return FALSE;

  return TRUE;
}

static GVariant *
do_big (const char *size)
{
  gsize n = g_ascii_strtoull (size, NULL, 10);
  guint8 *data = g_malloc (n);

  memset (data, 'x', n);
  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, n, TRUE, g_free, data);
}

static GVariant *
do_step (ParallelWorker  *worker,
         GVariant        *input,
         gpointer         user_data,
         GError         **error)
{
  const char *what;
  const char *with;

  if (g_variant_is_of_type (input, G_VARIANT_TYPE_BYTESTRING))
    return g_variant_new_uint64 (g_variant_get_size (input));
  if (!g_variant_is_of_type (input, G_VARIANT_TYPE ("(ss)")))
    return g_variant_new_string (g_variant_get_type_string (input));

  g_variant_get (input, "(&s&s)", &what, &with);
  if (g_str_equal (what, "fail"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no %s", with);
      return NULL;
    }
  if (g_str_equal (what, "kill-once") && access (with, F_OK) != 0)
    {
      append_to_file (with, "x");
      kill (getpid (), SIGKILL);
    }
  if (leave (what, with))
    return text_new ("came back");
  if (g_str_equal (what, "pid"))
    return g_variant_new_take_string (g_strdup_printf ("%d", getpid ()));
  if (g_str_equal (what, "setup"))
    return text_new (g_object_get_data (G_OBJECT (worker), "setup"));
  if (g_str_equal (what, "big"))
    return do_big (with);
  if (g_str_equal (what, "write-name"))
    append_to_file (with, "x");
  if (g_str_equal (what, "print"))
    print_in_turns (with);
  if (g_str_equal (what, "print-much"))
    print_much (atoi (with));
  if (g_str_equal (what, "beat"))
    beat (worker);
  if (g_str_equal (what, "nap"))
    g_usleep (g_ascii_strtoull (with, NULL, 10));
  if (g_str_equal (what, "environment"))
    return text_new (g_getenv (with) != NULL ? g_getenv (with) : "not set");

  return text_new (with);
}

static GVariant *
do_setup (ParallelWorker  *worker,
          GVariant        *input,
          gpointer         user_data,
          GError         **error)
{
  if (g_str_equal (g_variant_get_string (input, NULL), "fail"))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the setup went wrong");
      return NULL;
    }

  printf ("set up\n");
  g_object_set_data_full (G_OBJECT (worker), "setup", g_variant_dup_string (input, NULL), g_free);
  return g_variant_new_boolean (TRUE);
}

/* What the variable WORKER_ONEXIT says. */
static gboolean
do_onexit (ParallelWorker  *worker,
           gpointer         user_data,
           GError         **error)
{
  const char *what = user_data;

  printf ("leaving\n");
  if (g_str_equal (what, "fail"))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "no way out");
      return FALSE;
    }
  if (g_str_equal (what, "hang"))
    pause ();
  if (g_str_equal (what, "exit"))
    _exit (5);

  return TRUE;
}

void
worker_init (int    argc,
             char **argv)
{
  g_autoptr (ParallelWorker) worker = NULL;
  g_autoptr (GError) error = NULL;
  const char *onexit = g_getenv ("WORKER_ONEXIT");
  int status = 0;

  if (!parallel_worker_is_wanted (argc, argv))
    return;

  worker = parallel_worker_new ();
  parallel_worker_set_setup (worker, do_setup, NULL, NULL);
  if (onexit != NULL)
    parallel_worker_set_onexit (worker, do_onexit, (gpointer) onexit, NULL);
  if (!parallel_worker_run (worker, do_step, NULL, &error))
    {
      g_printerr ("%s\n", error->message);
      status = 1;
    }
  exit (status);
}

/* ---- in the test ---- */

ParallelTask *
worker_task_new (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  const char *argv[] = { self, NULL };

  return parallel_worker_task_new (argv);
}

ParallelBackgroundTaskRunner *
worker_runner_new (ParallelTask *task,
                   guint         max_parallel)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (g_object_ref (task));

  parallel_background_task_runner_set_max_parallel (runner, max_parallel);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  return runner;
}

ParallelStep *
worker_step_new (ParallelTask *task,
                 const char   *what,
                 const char   *with)
{
  g_auto (GValue) input = G_VALUE_INIT;

  g_value_init (&input, G_TYPE_VARIANT);
  g_value_set_variant (&input, g_variant_new ("(ss)", what, with));
  return parallel_step_new (g_object_ref (task), &input);
}

ParallelStep *
worker_put (ParallelBackgroundTaskRunner *runner,
            const char                   *what,
            const char                   *format,
            ...)
{
  g_autofree char *with = NULL;
  ParallelStep *step;
  va_list args;

  va_start (args, format);
  with = g_strdup_vprintf (format, args);
  va_end (args);

  step = worker_step_new (parallel_background_task_runner_get_task (runner), what, with);
  test_put_step (runner, step);

  return step;
}

const char *
worker_get_text (ParallelStep *step)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);
  const GValue *result = parallel_step_get_result (step);

  g_assert_no_error (error);
  g_assert_true (G_VALUE_HOLDS_VARIANT (result));
  return g_variant_get_string (g_value_get_variant (result), NULL);
}

GError *
worker_wait_for_failure (ParallelBackgroundTaskRunner *runner)
{
  GError *error = NULL;

  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  return error;
}

guint
worker_count_texts (GPtrArray *steps)
{
  g_autoptr (GHashTable) texts = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < steps->len; i++)
    g_hash_table_add (texts, (gpointer) worker_get_text (g_ptr_array_index (steps, i)));

  return g_hash_table_size (texts);
}
