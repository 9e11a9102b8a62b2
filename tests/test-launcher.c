/* test-launcher.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launcher-private.h"

#include <stdio.h>
#include <string.h>

#include "launcher-support.h"
#include "parallel-command-task.h"
#include "parallel-run-error.h"
#include "parallel-worker-task.h"

/* What a launcher puts in front of what, and what it knows of Slurm, without one. */

static const char * const agent[] = { "agent", "--stdio", NULL };

static void
assert_argv (ParallelLauncher    *launcher,
             const ParallelPlace *place,
             const char          *expected)
{
  g_auto (GStrv) argv = dup_argv (launcher, place, agent);
  g_autofree char *text = join_argv (argv);

  g_assert_cmpstr (text, ==, expected);
}

/* ---- prefixes ---- */

static void
test_prefix (void)
{
  static const struct
  {
    const char *argv[8];
    const char *expected;
  } cases[] = {
    { { "podman", "run", "-i", "--rm", "an image" }, "podman|run|-i|--rm|an image|agent|--stdio" },
    { { "flatpak-spawn", "--host", "--watch-bus" }, "flatpak-spawn|--host|--watch-bus|agent|--stdio" },
    { { "systemd-run", "--user", "--scope", "-q" }, "systemd-run|--user|--scope|-q|agent|--stdio" },
    { { "env" }, "env|agent|--stdio" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_prefix (cases[i].argv);
      g_autofree char *places = prepare (launcher);
      g_autofree char *again = prepare (launcher);

      g_assert_cmpstr (places, ==, "-:0");
      g_assert_cmpstr (again, ==, "-:0");
      assert_argv (launcher, NULL, cases[i].expected);
      g_assert_false (parallel_launcher_get_joins_arguments (launcher));
      g_assert_true (parallel_launcher_get_trusts_exit_status (launcher));
      g_assert_false (parallel_launcher_get_connect_back (launcher));
      g_assert_cmpuint (parallel_launcher_get_n_slots (launcher), ==, 0);
      g_assert_null (parallel_launcher_dup_status (launcher));
      g_assert_null (parallel_launcher_dup_cancel_argv (launcher, "1", "0"));
      g_assert_finalize_object (g_steal_pointer (&launcher));
    }
}

static void
test_no_prefix (void)
{
  g_autoptr (ParallelLauncher) launcher = g_object_new (PARALLEL_TYPE_LAUNCHER, NULL);

  g_assert_null (parallel_launcher_get_argv (launcher));
  assert_argv (launcher, NULL, "agent|--stdio");
}

/* ---- ssh ---- */

static void
test_ssh (void)
{
  static const char * const options[] = { "-p", "2222", "-o", "ControlPath=a b", NULL };
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_ssh ("me@host", options);
  g_autoptr (ParallelLauncher) odd = parallel_launcher_new_ssh ("-oProxyCommand=date", NULL);

  assert_argv (launcher, NULL, "ssh|-T|-o|BatchMode=yes|-p|2222|-o|ControlPath=a b|--|me@host|'agent' '--stdio'");
  assert_argv (odd, NULL, "ssh|-T|-o|BatchMode=yes|--|-oProxyCommand=date|'agent' '--stdio'");
  g_assert_true (parallel_launcher_get_joins_arguments (launcher));
  g_assert_false (parallel_launcher_get_trusts_exit_status (launcher));
  g_assert_false (parallel_launcher_get_connect_back (launcher));
}

/* What a shell makes of the joined text is what was there before. */
static void
test_ssh_quoting (void)
{
  static const char *argv[] = {
    "printf", "%s\\0", "", " ", "a b", "'", "''", "\"", "it's \"quoted\"", "$HOME", "${x", "`id`", "$(id)", "\\", "\\n", "\n",
    "\n a\n\n", "\t", "\r", "*", "?", "[a-z]", "~", "!!", "#no", "-x", "--", "a;b", "a|b&", "<in>out", "a=b", "é",
    "\xff\xfe", "\xc3", NULL /* all bytes */, NULL
  };
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_ssh ("host", NULL);
  g_autoptr (GByteArray) expected = g_byte_array_new ();
  g_autoptr (GSubprocess) shell = NULL;
  g_autoptr (GBytes) output = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) joined = NULL;
  char bytes[256];

  for (guint i = 0; i < 255; i++)
    bytes[i] = (char) (i + 1);
  bytes[255] = '\0';
  argv[G_N_ELEMENTS (argv) - 2] = bytes;
  for (guint i = 2; argv[i] != NULL; i++)
    g_byte_array_append (expected, (const guint8 *) argv[i], strlen (argv[i]) + 1);

  joined = dup_argv (launcher, NULL, argv);
  g_assert_cmpuint (g_strv_length (joined), ==, 7);
  shell = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "/bin/sh", "-c", joined[6], NULL);
  g_assert_no_error (error);
  g_subprocess_communicate (shell, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (shell));
  g_assert_cmpmem (g_bytes_get_data (output, NULL), g_bytes_get_size (output), expected->data, expected->len);
}

/* ---- Slurm, in an allocation ---- */

static void
set_allocation (const char *nodes,
                const char *cpus)
{
  g_setenv ("SLURM_JOB_ID", "17", TRUE);
  if (nodes != NULL)
    g_setenv ("SLURM_JOB_NODELIST", nodes, TRUE);
  if (cpus != NULL)
    g_setenv ("SLURM_JOB_CPUS_PER_NODE", cpus, TRUE);
}

static void
unset_allocation (void)
{
  g_unsetenv ("SLURM_JOB_ID");
  g_unsetenv ("SLURM_JOB_NODELIST");
  g_unsetenv ("SLURM_JOB_CPUS_PER_NODE");
}

/* A folder that is PATH, with programs that are there and do nothing. Returns what was PATH. */
static char *
set_path (const char * const *names)
{
  g_autofree char *folder = g_dir_make_tmp ("parallel-glib-XXXXXX", NULL);
  char *previous = g_strdup (g_getenv ("PATH"));

  for (gsize i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      g_file_set_contents_full (path, "#!/bin/sh\n", -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL);
    }
  g_setenv ("PATH", folder, TRUE);

  return previous;
}

static void
restore_path (char *previous)
{
  g_autofree char *folder = g_strdup (g_getenv ("PATH"));
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      remove (path);
    }
  remove (folder);
  g_setenv ("PATH", previous, TRUE);
  g_free (previous);
}

static void
test_slurm_inside (void)
{
  static const char * const programs[] = { "srun", NULL };
  char *path = set_path (programs);
  ParallelPlace second = { (char *) "n2", 4 };
  g_autoptr (ParallelLauncher) launcher = NULL;
  g_autofree char *places = NULL;
  g_auto (GStrv) cancel = NULL;
  g_autofree char *cancel_text = NULL;

  set_allocation ("n[1-2],login", "4(x2),1");
  launcher = parallel_launcher_new_slurm (NULL);
  unset_allocation ();

  g_assert_cmpuint (parallel_launcher_get_n_slots (launcher), ==, 9);
  places = prepare (launcher);
  g_assert_cmpstr (places, ==, "n1:4 n2:4 login:1");
  g_assert_null (parallel_launcher_dup_status (launcher));
  assert_argv (launcher, &second,
               "srun|-Q|-u|-N1|-n1|--overlap|--exact|--mpi=none|--jobid=17|--nodelist=n2|agent|--stdio");
  assert_argv (launcher, NULL, "srun|-Q|-u|-N1|-n1|--overlap|--exact|--mpi=none|--jobid=17|agent|--stdio");

  cancel = parallel_launcher_dup_cancel_argv (launcher, "17", "0");
  cancel_text = join_argv (cancel);
  g_assert_cmpstr (cancel_text, ==, "scancel|-Q|17.0");
  g_assert_false (parallel_launcher_get_trusts_exit_status (launcher));
  g_assert_true (parallel_launcher_get_connect_back (launcher));

  restore_path (path);
}

static void
test_slurm_broken (void)
{
  static const char * const programs[] = { "srun", NULL };
  static const struct
  {
    const char *nodes;
    const char *cpus;
    const char *pattern;
  } cases[] = {
    { NULL, "1", "*SLURM_JOB_NODELIST*" },
    { "n1", NULL, "*SLURM_JOB_CPUS_PER_NODE*" },
    { "n[1-2", "1(x2)", "*list of nodes*n[1-2*" },
    { "n[1-2]", "1(x", "*number of CPUs*1(x*" },
    { "n[1-2]", "1", "*CPUs for 1 nodes*has 2*" },
  };
  char *path = set_path (programs);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ParallelLauncher) launcher = NULL;

      set_allocation (cases[i].nodes, cases[i].cpus);
      launcher = parallel_launcher_new_slurm (NULL);
      unset_allocation ();

      for (guint n = 0; n < 2; n++)
        {
          g_autofree char *message = prepare (launcher);

          if (!g_pattern_match_simple (cases[i].pattern, message))
            g_error ("“%s” is not “%s”", message, cases[i].pattern);
        }
      g_assert_cmpuint (parallel_launcher_get_n_slots (launcher), ==, 0);
    }

  restore_path (path);
}

static void
test_slurm_not_installed (void)
{
  static const char * const nothing[] = { NULL };
  static const char * const only_srun[] = { "srun", NULL };
  g_autoptr (ParallelLauncher) outside = parallel_launcher_new_slurm (NULL);
  g_autoptr (ParallelLauncher) inside = NULL;
  g_auto (Preparation) preparation = { 0 };
  g_autofree char *without_srun = NULL;
  g_autofree char *without_salloc = NULL;
  char *path = set_path (nothing);

  set_allocation ("n1", "1");
  inside = parallel_launcher_new_slurm (NULL);
  unset_allocation ();
  preparation_begin (&preparation, inside);
  preparation_wait (&preparation);
  g_assert_error (preparation.error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT);
  g_assert_cmpstr (preparation.error->message, ==, "Slurm is not installed here: there is no program “srun” in PATH");

  without_srun = prepare (outside);
  g_assert_cmpstr (without_srun, ==, preparation.error->message);
  restore_path (path);

  path = set_path (only_srun);
  without_salloc = prepare (outside);
  g_assert_cmpstr (without_salloc, ==, "Slurm is not installed here: there is no program “salloc” in PATH");
  g_assert_null (parallel_launcher_dup_status (outside));
  restore_path (path);
}

/* ---- what Slurm says ---- */

static void
test_nodes (void)
{
  static const struct
  {
    const char *text;
    const char *expected;    /* NULL: it is refused */
  } cases[] = {
    { "n1", "n1" },
    { "n1,n2", "n1,n2" },
    { "n[1-3]", "n1,n2,n3" },
    { "n[8-11]", "n8,n9,n10,n11" },
    { "n[08-11]", "n08,n09,n10,n11" },
    { "n[1-2,07,9-10]x,login", "n1x,n2x,n07x,n9x,n10x,login" },
    { "r[1-2]n[3-4]", "r1n3,r1n4,r2n3,r2n4" },
    { "a-b.c_d[0]", "a-b.c_d0" },
    { "", NULL },
    { ",", NULL },
    { "n1,", NULL },
    { ",n1", NULL },
    { "n1,,n2", NULL },
    { "n[", NULL },
    { "n[]", NULL },
    { "n]", NULL },
    { "n[1", NULL },
    { "n[1-]", NULL },
    { "n[-1]", NULL },
    { "n[1-2-3]", NULL },
    { "n[2-1]", NULL },
    { "n[1,]", NULL },
    { "n[a]", NULL },
    { "n[1[2]]", NULL },
    { "n[0-65536]", NULL },
    { "n[0-300]m[0-300]", NULL },
    { "n[0-999999999]", NULL },
    { "n[99999999999999999999]", NULL },
    { "n[1-99999999999999999999]", NULL },
    { "n[0-9]n[0-9]n[0-9]n[0-9]n[0-9]", NULL },
    { "\xff[1", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) nodes = parallel_slurm_expand_nodes (cases[i].text, &error);
      g_autofree char *text = NULL;

      if (cases[i].expected == NULL)
        {
          if (nodes != NULL)
            g_error ("“%s” was taken", cases[i].text);
          g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED);
          g_assert_true (g_utf8_validate (error->message, -1, NULL));
          continue;
        }
      g_assert_no_error (error);
      g_ptr_array_add (nodes, NULL);
      text = g_strjoinv (",", (char **) nodes->pdata);
      g_assert_cmpstr (text, ==, cases[i].expected);
    }
}

static void
test_many_nodes (void)
{
  g_autoptr (GPtrArray) nodes = parallel_slurm_expand_nodes ("n[0-65535]", NULL);
  g_autoptr (GArray) cpus = parallel_slurm_expand_cpus ("2(x65536)", NULL);

  g_assert_cmpuint (nodes->len, ==, 65536);
  g_assert_cmpstr (nodes->pdata[65535], ==, "n65535");
  g_assert_cmpuint (cpus->len, ==, 65536);
}

static void
test_cpus (void)
{
  static const struct
  {
    const char *text;
    const char *expected;
  } cases[] = {
    { "4", "4" },
    { "2(x3),1", "2,2,2,1" },
    { "1,2(x2),16(x1)", "1,2,2,16" },
    { "", NULL },
    { "0", NULL },
    { "2(x0)", NULL },
    { "-1", NULL },
    { "2(x)", NULL },
    { "2(x3", NULL },
    { "2(3)", NULL },
    { "2x3", NULL },
    { "2(x3)1", NULL },
    { "2,", NULL },
    { ",2", NULL },
    { "2 ", NULL },
    { "2(x-3)", NULL },
    { "2(x65537)", NULL },
    { "2(x65536),1", NULL },
    { "99999999999999999999", NULL },
    { "1(x99999999999999999999)", NULL },
    { "two", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) cpus = parallel_slurm_expand_cpus (cases[i].text, &error);
      g_autoptr (GString) text = g_string_new (NULL);

      if (cases[i].expected == NULL)
        {
          if (cpus != NULL)
            g_error ("“%s” was taken", cases[i].text);
          g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED);
          continue;
        }
      g_assert_no_error (error);
      for (guint n = 0; n < cpus->len; n++)
        g_string_append_printf (text, "%s%u", n > 0 ? "," : "", g_array_index (cpus, guint, n));
      g_assert_cmpstr (text->str, ==, cases[i].expected);
    }
}

/* ---- what must be known of a launcher ---- */

static void
test_environ (void)
{
  static const char * const names[] = { "FIRST", "SECOND", "LAST", NULL };
  static const char * const env[] = { "FIRST=1", "OTHER=2", "SECOND=", "SECONDS=3", NULL };
  static const char * const argv[] = { "env", NULL };
  static const char * const expected[] = { "OTHER=2", "SECONDS=3", NULL };
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_prefix (argv);
  g_autoptr (ParallelLauncher) slurm = parallel_launcher_new_slurm (NULL);
  g_auto (GStrv) kept = NULL;
  g_auto (GStrv) cleaned = NULL;
  g_auto (GStrv) own = NULL;

  kept = parallel_launcher_dup_environ (launcher, env);
  g_assert_cmpstrv (kept, env);

  parallel_launcher_set_unset_variables (launcher, names);
  cleaned = parallel_launcher_dup_environ (launcher, env);
  g_assert_cmpstrv (cleaned, expected);

  g_setenv ("SLURM_LABELIO", "1", TRUE);
  g_setenv ("SLURM_CONF", "a file", TRUE);
  own = parallel_launcher_dup_environ (slurm, NULL);
  g_assert_null (g_environ_getenv (own, "SLURM_LABELIO"));
  g_assert_cmpstr (g_environ_getenv (own, "SLURM_CONF"), ==, "a file");
  g_assert_nonnull (g_environ_getenv (own, "PATH"));
  g_unsetenv ("SLURM_LABELIO");
  g_unsetenv ("SLURM_CONF");
}

static void
test_cancel (void)
{
  static const char * const argv[] = { "kill", "{job}", "--step={step}.{job}", NULL };
  static const char * const only_job[] = { "kill", "{job}", NULL };
  static const char * const bad[] = { "", "-1", "--user=root", "1 2", "1;2", "{step}", "é", "1\n", ".", NULL };
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_slurm (NULL);
  g_auto (GStrv) cancel = NULL;
  g_auto (GStrv) job = NULL;
  g_autofree char *text = NULL;

  for (gsize i = 0; bad[i] != NULL; i++)
    {
      g_assert_null (parallel_launcher_dup_cancel_argv (launcher, bad[i], "0"));
      g_assert_null (parallel_launcher_dup_cancel_argv (launcher, "1", bad[i]));
    }
  g_assert_null (parallel_launcher_dup_cancel_argv (launcher, NULL, "0"));
  g_assert_null (parallel_launcher_dup_cancel_argv (launcher, "1", NULL));

  parallel_launcher_set_cancel_argv (launcher, argv);
  cancel = parallel_launcher_dup_cancel_argv (launcher, "12_3", "4+5");
  text = join_argv (cancel);
  g_assert_cmpstr (text, ==, "kill|12_3|--step=4+5.12_3");

  parallel_launcher_set_cancel_argv (launcher, only_job);
  job = parallel_launcher_dup_cancel_argv (launcher, "7", NULL);
  g_assert_cmpstr (job[1], ==, "7");

  parallel_launcher_set_cancel_argv (launcher, NULL);
  g_assert_null (parallel_launcher_dup_cancel_argv (launcher, "1", "0"));
}

static void
count_cb (GObject    *object,
          GParamSpec *pspec,
          gpointer    user_data)
{
  guint *n = user_data;

  (*n)++;
}

static void
test_properties (void)
{
  static const char * const argv[] = { "env", NULL };
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_prefix (argv);
  g_autofree char *agent_path = NULL;
  g_autofree char *address = NULL;
  gboolean joins;
  gboolean trusts;
  gboolean connects;
  double patience;
  guint n = 0;

  g_signal_connect (launcher, "notify", G_CALLBACK (count_cb), &n);
  for (guint i = 0; i < 2; i++)
    g_object_set (launcher, "joins-arguments", TRUE, "trusts-exit-status", FALSE, "agent", "/opt/agent", "patience", 2.5,
                  "connect-back", TRUE, "address", "127.0.0.2", NULL);
  g_assert_cmpuint (n, ==, 6);
  g_object_get (launcher, "joins-arguments", &joins, "trusts-exit-status", &trusts, "agent", &agent_path, "patience", &patience,
                "connect-back", &connects, "address", &address, NULL);
  g_assert_true (joins);
  g_assert_false (trusts);
  g_assert_true (connects);
  g_assert_cmpfloat (patience, ==, 2.5);
  g_assert_cmpstr (agent_path, ==, "/opt/agent");
  g_assert_cmpstr (address, ==, "127.0.0.2");
}

static void
test_tasks (void)
{
  static const char * const argv[] = { "env", NULL };
  g_autoptr (ParallelLauncher) launcher = parallel_launcher_new_prefix (argv);
  g_autoptr (ParallelTask) command = parallel_command_task_new (argv);
  g_autoptr (ParallelTask) worker = parallel_worker_task_new (argv);
  guint n = 0;

  g_signal_connect (command, "notify::launcher", G_CALLBACK (count_cb), &n);
  g_signal_connect (worker, "notify::launcher", G_CALLBACK (count_cb), &n);
  g_assert_null (parallel_command_task_get_launcher (PARALLEL_COMMAND_TASK (command)));
  g_assert_null (parallel_worker_task_get_launcher (PARALLEL_WORKER_TASK (worker)));

  for (guint i = 0; i < 2; i++)
    {
      parallel_command_task_set_launcher (PARALLEL_COMMAND_TASK (command), launcher);
      g_object_set (worker, "launcher", launcher, NULL);
    }
  g_assert_cmpuint (n, ==, 2);
  g_assert_true (parallel_command_task_get_launcher (PARALLEL_COMMAND_TASK (command)) == launcher);
  g_assert_true (parallel_worker_task_get_launcher (PARALLEL_WORKER_TASK (worker)) == launcher);

  parallel_worker_task_set_launcher (PARALLEL_WORKER_TASK (worker), NULL);
  g_assert_cmpuint (n, ==, 3);
  g_assert_finalize_object (g_steal_pointer (&command));
  g_assert_finalize_object (g_steal_pointer (&launcher));
}

int
main (int    argc,
      char **argv)
{
  unset_allocation ();
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("How programs are started somewhere else");

  g_test_add_func ("/launcher/prefix", test_prefix);
  g_test_add_func ("/launcher/no-prefix", test_no_prefix);
  g_test_add_func ("/launcher/ssh", test_ssh);
  g_test_add_func ("/launcher/ssh/quoting", test_ssh_quoting);
  g_test_add_func ("/launcher/slurm/inside", test_slurm_inside);
  g_test_add_func ("/launcher/slurm/broken", test_slurm_broken);
  g_test_add_func ("/launcher/slurm/not-installed", test_slurm_not_installed);
  g_test_add_func ("/launcher/slurm/nodes", test_nodes);
  g_test_add_func ("/launcher/slurm/many-nodes", test_many_nodes);
  g_test_add_func ("/launcher/slurm/cpus", test_cpus);
  g_test_add_func ("/launcher/environ", test_environ);
  g_test_add_func ("/launcher/cancel", test_cancel);
  g_test_add_func ("/launcher/properties", test_properties);
  g_test_add_func ("/launcher/tasks", test_tasks);

  return g_test_run ();
}
