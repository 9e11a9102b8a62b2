/* test-inject.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <sys/wait.h>

#include "fault-support.h"

/* Each call of a function of the system fails in its turn, once or from then on: the run ends, and has either
 * succeeded or says what was wrong. The preloaded library and the program are told by the build. */

#define MAX_CALLS 400

typedef struct
{
  const char *function;
  int         codes[3];
} Injection;

static const Injection injections[] = {
  { "open", { EMFILE, EACCES, ENOSPC } },
  { "pipe2", { EMFILE, ENFILE } },
  { "eventfd", { EMFILE } },
  { "dup", { EMFILE } },
  { "memfd_create", { EMFILE, ENOMEM } },
  { "pidfd_open", { EMFILE, ENOSYS } },
  { "posix_spawn", { EAGAIN, ENOMEM, EMFILE } },
  { "pthread_create", { EAGAIN } },
  { "splice", { ENOSPC, EDQUOT, EINVAL } },
  { "write", { ENOSPC, EIO, EDQUOT } },
  { "pread", { EIO } },
  { "pwrite", { ENOSPC, EIO, EDQUOT } },
};

static char **
make_environment (const char *function,
                  int         code,
                  guint       call,
                  gboolean    once)
{
  char **envp = g_get_environ ();
  g_autofree char *code_text = g_strdup_printf ("%d", code);
  g_autofree char *call_text = g_strdup_printf ("%u", call);

  envp = g_environ_setenv (envp, "LD_PRELOAD", g_getenv ("INJECT_LIBRARY"), TRUE);
  envp = g_environ_setenv (envp, "INJECT_FUNCTION", function, TRUE);
  envp = g_environ_setenv (envp, "INJECT_ERRNO", code_text, TRUE);
  envp = g_environ_setenv (envp, "INJECT_CALL", call_text, TRUE);
  if (once)
    envp = g_environ_setenv (envp, "INJECT_ONCE", "1", TRUE);
  return envp;
}

/* What the scenario exits with. */
static int
run_scenario (const char *function,
              int         code,
              guint       call,
              gboolean    once)
{
  g_auto (GStrv) envp = make_environment (function, code, call, once);
  const char *argv[] = { "timeout", "-s", "ABRT", "60", g_getenv ("INJECT_SCENARIO"), NULL };
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  g_spawn_sync (NULL, (char **) argv, envp, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &err, &status, &error);
  g_assert_no_error (error);
  if (!WIFEXITED (status) || WEXITSTATUS (status) > 2)
    g_error ("%s, call %u%s, error %d: wait status %x\n%s", function, call, once ? "" : " and on", code, status, err);
  return WEXITSTATUS (status);
}

static void
inject_all (gconstpointer data)
{
  const Injection *injection = data;
  guint n_codes = fault_is_long () ? G_N_ELEMENTS (injection->codes) : 1;
  guint n_failed = 0;
  guint n = 0;

  for (guint i = 0; i < n_codes && injection->codes[i] != 0; i++)
    for (guint once = 0; once < 2; once++)
      {
        guint call = 1;
        int result;

        /* In the quick version some of many calls. */
        while ((result = run_scenario (injection->function, injection->codes[i], call, once)) != 0)
          {
            n_failed += result == 2;
            n++;
            call += fault_is_long () || call < 4 ? 1 : 1 + call / 4;
            g_assert_cmpuint (call, <, MAX_CALLS);
          }
      }
  g_test_message ("%u injected, %u runs failed", n, n_failed);
  g_assert_cmpuint (n, >, 0);
}

static void
test_injection (void)
{
  g_test_summary ("Whichever call fails, the run ends, and either went well or says what was wrong; the next one goes well");
  fault_allow_seconds (1800);
  for (guint i = 0; i < G_N_ELEMENTS (injections); i++)
    {
      g_test_message ("%s", injections[i].function);
      inject_all (&injections[i]);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/inject", test_injection);
  return test_run ();
}
