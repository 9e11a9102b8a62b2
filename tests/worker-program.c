/* worker-program.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "worker-support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "parallel-worker.h"

static char *
run_shell (const char *command)
{
  FILE *stream = popen (command, "r");
  GString *text = g_string_new (NULL);
  int c;

  while ((c = getc (stream)) != EOF)
    g_string_append_c (text, c);
  pclose (stream);

  return g_string_free (text, FALSE);
}

/* Most to the buffered standard output, and all of it in the right order. */
static void
print_much (void)
{
  printf ("one\n");
  fprintf (stderr, "two\n");
  printf ("three\n");
  g_assert_cmpint (system ("echo four; echo five >&2"), ==, 0);
  printf ("six, without an end");
}

static char *
read_all (void)
{
  char buffer[10];

  return g_strdup_printf ("%d %d", (int) read (STDIN_FILENO, buffer, sizeof buffer), feof (stdin));
}

static gpointer
beat (gpointer worker)
{
  for (guint i = 0; i < 1000; i++)
    {
      parallel_worker_heartbeat (worker);
      g_usleep (100);
    }

  return NULL;
}

static void
beat_in_threads (ParallelWorker *worker)
{
  GThread *threads[4];

  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("beat", beat, worker);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

static void
report_much (ParallelWorker *worker)
{
  parallel_worker_report (worker, 0.25, "first");
  for (guint i = 0; i < 100000; i++)
    parallel_worker_report (worker, 0.5, "between");
  parallel_worker_report (worker, 2, "last \xff");
}

/* Which a program that is started here gets; many shells do not leave it as it is. */
static char *
look_at_sigpipe (void)
{
  struct sigaction action;
  sigset_t mask;

  pthread_sigmask (SIG_BLOCK, NULL, &mask);
  sigaction (SIGPIPE, NULL, &action);

  return g_strdup_printf ("%s, %s", sigismember (&mask, SIGPIPE) ? "blocked" : "open",
                          action.sa_handler == SIG_DFL ? "default" : "changed");
}

static char *
memory_peak (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);

  return g_strdup_printf ("%ld", usage.ru_maxrss);
}

static char *
do_command (ParallelWorker  *worker,
            const char      *command,
            GError         **error)
{
  if (g_str_has_prefix (command, "shell "))
    return run_shell (command + 6);
  if (g_str_equal (command, "print"))
    print_much ();
  else if (g_str_equal (command, "read"))
    return read_all ();
  else if (g_str_equal (command, "beat"))
    beat_in_threads (worker);
  else if (g_str_equal (command, "report"))
    report_much (worker);
  else if (g_str_equal (command, "sigpipe"))
    return look_at_sigpipe ();
  else if (g_str_equal (command, "memory"))
    return memory_peak ();
  else if (g_str_equal (command, "close"))
    close (STDOUT_FILENO);
  else if (g_str_equal (command, "kill"))
    {
      printf ("last words");
      fflush (stdout);
      raise (SIGKILL);
    }
  else if (g_str_equal (command, "error"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "Not\nfound \xff\n");
  else if (g_str_equal (command, "paragraphs"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "Not\nfound\n\nmore\n\nof it");
  else if (g_str_equal (command, "long-error"))
    {
      g_autofree char *text = g_strnfill (1000000, 'x');

      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, text);
    }
  else if (g_str_equal (command, "null"))
    return NULL;

  return g_strdup (command);
}

static GVariant *
do_step (ParallelWorker  *worker,
         GVariant        *input,
         gpointer         user_data,
         GError         **error)
{
  g_autofree char *result = NULL;

  g_assert_cmpstr (user_data, ==, "data");
  if (!g_variant_is_of_type (input, G_VARIANT_TYPE_STRING))
    return g_variant_ref (input);

  result = do_command (worker, g_variant_get_string (input, NULL), error);

  return result != NULL ? g_variant_new_string (result) : NULL;
}

static GVariant *
do_setup (ParallelWorker  *worker,
          GVariant        *input,
          gpointer         user_data,
          GError         **error)
{
  g_autofree char *text = g_variant_print (input, FALSE);

  g_assert_cmpstr (user_data, ==, "setup");
  printf ("setup with %s", text);
  if (g_variant_is_of_type (input, G_VARIANT_TYPE_UNIT))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no setup");
      return NULL;
    }

  return g_variant_new_take_string (g_steal_pointer (&text));
}

static gboolean
at_exit (ParallelWorker  *worker,
         gpointer         user_data,
         GError         **error)
{
  printf ("at exit");
  if (g_str_equal (user_data, "onexit-fails"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no exit");

  return g_str_equal (user_data, "onexit");
}

static void
count_call (gpointer user_data)
{
  fprintf (stderr, "[freed %s]", (char *) user_data);
}

int
worker_program (int    argc,
                char **argv)
{
  ParallelWorker *worker = parallel_worker_new ();
  g_autoptr (GError) error = NULL;
  gboolean success;

  g_assert_true (parallel_worker_is_wanted (argc, argv));
  if (strstr (argv[2], "setup") != NULL)
    parallel_worker_set_setup (worker, do_setup, (gpointer) "setup", count_call);
  if (g_str_has_prefix (argv[2], "onexit"))
    parallel_worker_set_onexit (worker, at_exit, argv[2], count_call);
  if (g_str_equal (argv[2], "talks"))
    printf ("before");

  success = parallel_worker_run (worker, do_step, (gpointer) "data", &error);
  g_assert_true (success == (error == NULL));
  /* Nothing of this has an effect. */
  parallel_worker_heartbeat (worker);
  parallel_worker_report (worker, 0.5, "after");
  g_assert_finalize_object (worker);
  if (success)
    return 0;

  fprintf (stderr, "%s", error->message);

  return error->domain == G_IO_ERROR && error->code == G_IO_ERROR_BROKEN_PIPE ? 2
         : error->domain == G_IO_ERROR && error->code == G_IO_ERROR_INVALID_DATA ? 3 : 4;
}
