/* parallel-glib-agent.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-private.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parallel-agent-link.h"
#include "parallel-engine.h"
#include "parallel-exec-protocol.h"

typedef struct
{
  ParallelMail   mail;
  const char    *spec;        /* NULL: it is the agent proper */
  char         **launcher;
} Begin;

static void
begin (ParallelMail *mail,
       gboolean      closed)
{
  Begin *self = (Begin *) mail;

  if (self->spec != NULL)
    parallel_agent_relay_begin (self->spec, self->launcher);
  else
    parallel_agent_serve_begin ();
}

void
parallel_agent_exit_as (int wait_status)
{
  struct rlimit no_core = { 0, 0 };
  sigset_t set;

  if (!WIFSIGNALED (wait_status))
    _exit (WEXITSTATUS (wait_status));

  /* The core was dumped where the worker was. */
  setrlimit (RLIMIT_CORE, &no_core);
  signal (WTERMSIG (wait_status), SIG_DFL);
  sigemptyset (&set);
  sigaddset (&set, WTERMSIG (wait_status));
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  kill (getpid (), WTERMSIG (wait_status));
  _exit (128 + WTERMSIG (wait_status));
}

/* The helper is beside this program, wherever the two have been put: nobody has set a variable where a launcher has
 * started it. */
static void
find_helper (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self != NULL ? g_path_get_dirname (self) : NULL;
  g_autofree char *helper = folder != NULL ? g_build_filename (folder, "parallel-glib-exec", NULL) : NULL;

  if (helper != NULL && g_file_test (helper, G_FILE_TEST_IS_EXECUTABLE))
    g_setenv ("PARALLEL_GLIB_EXEC", helper, FALSE);
}

static void
refuse (void)
{
  g_printerr ("parallel-glib-agent: only parallel-glib can start this\n");
  _exit (PARALLEL_AGENT_EXIT_LOST);
}

/* The engine does everything. */
static void
run_in_engine (Begin *what)
{
  g_autoptr (GError) error = NULL;
  sigset_t all;

  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, NULL);
  if (!parallel_engine_start (&error))
    {
      g_printerr ("parallel-glib-agent: %s\n", error->message);
      _exit (PARALLEL_AGENT_EXIT_LOST);
    }
  parallel_engine_post (&what->mail, begin);
  for (;;)
    pause ();
}

int
main (int    argc,
      char **argv)
{
  static Begin what;

  find_helper ();
  if (argc == 2 && strcmp (argv[1], "commands") == 0)
    return parallel_agent_commands (argc, argv);

  /* What the runner does to the processes of its step by this mark is not meant for those of the launcher; and they
   * are no workers. */
  g_unsetenv (PARALLEL_EXEC_MARK_NAME);
  g_unsetenv ("PARALLEL_GLIB_WORKER");
  if (argc > 3 && strcmp (argv[1], "relay") == 0)
    what = (Begin) { .spec = argv[2], .launcher = argv + 3 };
  else if (argc != 2 || strcmp (argv[1], "serve") != 0)
    refuse ();

  run_in_engine (&what);
  return 0;
}
