/* parallel-launcher.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launcher-private.h"

#include <string.h>

#include "parallel-launcher-core.h"

/**
 * ParallelLauncher:
 *
 * How programs are started somewhere else.
 *
 * A launcher is a program that starts another one, with its standard input and output: on another machine (`srun`, `ssh`), in a
 * container (`podman run -i`, `flatpak-spawn --host`), or under a service manager (`systemd-run`). It is a list of arguments
 * that is put in front of those of the other program, never a line for a shell; and what must be known of it to use it well.
 * There are three ready-made ones: [ctor@Launcher.new_slurm], [ctor@Launcher.new_ssh], and [ctor@Launcher.new_prefix] for
 * all others. Set as [property@CommandTask:launcher] or [property@WorkerTask:launcher], it says where the steps of a task run.
 *
 * One launcher can serve any number of tasks and runners. With Slurm, outside of an allocation, that also means that they share
 * the one allocation that the launcher gets, with the first step that needs it, and keeps: until nothing refers to the launcher any
 * more, or this program ends, in whatever way.
 *
 * ## Threads
 *
 * It is set up before it is used, and belongs to the main context that was the thread-default one when it was made:
 * [property@Launcher:status] and [property@Launcher:n-slots] are notified there. Both can be read in any thread. Programs are
 * started by the library's own thread, and nothing here blocks.
 */

enum
{
  PROP_ARGV = 1,
  PROP_JOINS_ARGUMENTS,
  PROP_TRUSTS_EXIT_STATUS,
  PROP_UNSET_VARIABLES,
  PROP_CANCEL_ARGV,
  PROP_AGENT,
  PROP_PATIENCE,
  PROP_HEARTBEAT_TIMEOUT,
  PROP_STATUS,
  PROP_N_SLOTS,
  PROP_CONNECT_BACK,
  PROP_ADDRESS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

/* More than a machine that has too much to do takes, and than a network needs to find another way. */
#define DEFAULT_HEARTBEAT_TIMEOUT 10

G_DEFINE_FINAL_TYPE (ParallelLauncher, parallel_launcher, G_TYPE_OBJECT)

/* -u: without it what ends in no newline does not arrive. --overlap: or the second step in a place would wait for the first. */
static const char * const slurm_argv[] = {
  "srun", "-Q", "-u", "-N1", "-n1", "--overlap", "--exact", "--mpi=none", NULL
};

static const char * const slurm_cancel_argv[] = { "scancel", "-Q", "{job}.{step}", NULL };

/* Those of srun's that would change what goes through its streams, where the program runs and with what environment, or how long
 * it may, and those that contradict its arguments. They come from the user's profile, or from the allocation around. */
static const char * const slurm_variables[] = {
  "SLURM_DEBUG",
  "SLURM_DEPENDENCY",
  "SLURM_DISTRIBUTION",
  "SLURM_EXCLUSIVE",
  "SLURM_EXPORT_ENV",
  "SLURM_HOSTFILE",
  "SLURM_IMMEDIATE",
  "SLURM_LABELIO",
  "SLURM_NTASKS_PER_CORE",
  "SLURM_NTASKS_PER_GPU",
  "SLURM_NTASKS_PER_NODE",
  "SLURM_NTASKS_PER_SOCKET",
  "SLURM_OPEN_MODE",
  "SLURM_REMOTE_CWD",
  "SLURM_SIGNAL",
  "SLURM_STDERRMODE",
  "SLURM_STDINMODE",
  "SLURM_STDOUTMODE",
  "SLURM_TEST_EXEC",
  "SLURM_TIMELIMIT",
  "SLURM_WORKING_DIR",
  "SRUN_EXPORT_ENV",
  NULL
};

/* ---- for those who start something ---- */

void
parallel_launcher_prepare (ParallelLauncher      *self,
                           ParallelLauncherReady  callback,
                           gpointer               user_data)
{
  parallel_launcher_core_prepare (self->core, self->patience, callback, user_data);
}

void
parallel_launcher_forget (ParallelLauncher *self,
                          gpointer          user_data)
{
  parallel_launcher_core_forget (self->core, user_data);
}

/* For a POSIX shell. Bytes that are no text, newlines and nothing at all survive. */
static char *
join (const char * const *argv)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; argv[i] != NULL; i++)
    {
      g_autofree char *quoted = g_shell_quote (argv[i]);

      if (i > 0)
        g_string_append_c (text, ' ');
      g_string_append (text, quoted);
    }

  return g_string_free (text, FALSE);
}

char **
parallel_launcher_dup_argv (ParallelLauncher    *self,
                            const ParallelPlace *place,
                            const char * const  *argv)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *job = parallel_launcher_core_get_job (self->core);

  if (self->argv != NULL)
    g_strv_builder_addv (builder, (const char **) self->argv);
  if (job != NULL)
    {
      g_autofree char *option = g_strconcat ("--jobid=", job, NULL);

      g_strv_builder_add (builder, option);
    }
  if (place != NULL && place->node != NULL)
    {
      g_autofree char *option = g_strconcat ("--nodelist=", place->node, NULL);

      g_strv_builder_add (builder, option);
    }

  if (self->joins_arguments)
    {
      g_autofree char *text = join (argv);

      g_strv_builder_add (builder, text);
    }
  else
    g_strv_builder_addv (builder, (const char **) argv);

  return g_strv_builder_end (builder);
}

gboolean
parallel_launcher_shares_folders (ParallelLauncher *self)
{
  return parallel_launcher_core_is_slurm (self->core);
}

char **
parallel_launcher_dup_environ (ParallelLauncher   *self,
                               const char * const *env)
{
  char **copy = env != NULL ? g_strdupv ((char **) env) : g_get_environ ();

  for (gsize i = 0; self->unset_variables != NULL && self->unset_variables[i] != NULL; i++)
    copy = g_environ_unsetenv (copy, self->unset_variables[i]);

  return copy;
}

/* Puts @id in the place of @name. FALSE if it is needed and cannot be used. */
static gboolean
replace (GString    *text,
         const char *name,
         const char *id)
{
  if (strstr (text->str, name) == NULL)
    return TRUE;
  if (id == NULL || !parallel_slurm_is_id (id))
    return FALSE;

  g_string_replace (text, name, id, 0);
  return TRUE;
}

char **
parallel_launcher_dup_cancel_argv (ParallelLauncher *self,
                                   const char       *job,
                                   const char       *step)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (self->cancel_argv == NULL)
    return NULL;

  for (gsize i = 0; self->cancel_argv[i] != NULL; i++)
    {
      GString *text = g_string_new (self->cancel_argv[i]);
      gboolean usable = replace (text, "{job}", job) && replace (text, "{step}", step);

      if (usable)
        g_strv_builder_add (builder, text->str);
      g_string_free (text, TRUE);
      if (!usable)
        return NULL;
    }

  return g_strv_builder_end (builder);
}

/* ---- the object ---- */

static void
parallel_launcher_finalize (GObject *object)
{
  ParallelLauncher *self = PARALLEL_LAUNCHER (object);

  g_weak_ref_clear (&self->agents);
  g_clear_pointer (&self->core, parallel_launcher_core_close);
  g_clear_pointer (&self->argv, g_strfreev);
  g_clear_pointer (&self->unset_variables, g_strfreev);
  g_clear_pointer (&self->cancel_argv, g_strfreev);
  g_clear_pointer (&self->agent, g_free);
  g_clear_pointer (&self->address, g_free);

  G_OBJECT_CLASS (parallel_launcher_parent_class)->finalize (object);
}

static void
parallel_launcher_get_property (GObject    *object,
                                guint       prop_id,
                                GValue     *value,
                                GParamSpec *pspec)
{
  ParallelLauncher *self = PARALLEL_LAUNCHER (object);

  switch (prop_id)
    {
    case PROP_ARGV:
      g_value_set_boxed (value, self->argv);
      break;
    case PROP_JOINS_ARGUMENTS:
      g_value_set_boolean (value, self->joins_arguments);
      break;
    case PROP_TRUSTS_EXIT_STATUS:
      g_value_set_boolean (value, self->trusts_exit_status);
      break;
    case PROP_UNSET_VARIABLES:
      g_value_set_boxed (value, self->unset_variables);
      break;
    case PROP_CANCEL_ARGV:
      g_value_set_boxed (value, self->cancel_argv);
      break;
    case PROP_AGENT:
      g_value_set_string (value, self->agent);
      break;
    case PROP_PATIENCE:
      g_value_set_double (value, self->patience);
      break;
    case PROP_HEARTBEAT_TIMEOUT:
      g_value_set_double (value, self->heartbeat_timeout);
      break;
    case PROP_STATUS:
      g_value_take_string (value, parallel_launcher_dup_status (self));
      break;
    case PROP_N_SLOTS:
      g_value_set_uint (value, parallel_launcher_get_n_slots (self));
      break;
    case PROP_CONNECT_BACK:
      g_value_set_boolean (value, self->connect_back);
      break;
    case PROP_ADDRESS:
      g_value_set_string (value, self->address);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
parallel_launcher_set_property (GObject      *object,
                                guint         prop_id,
                                const GValue *value,
                                GParamSpec   *pspec)
{
  ParallelLauncher *self = PARALLEL_LAUNCHER (object);

  switch (prop_id)
    {
    case PROP_ARGV:
      self->argv = g_value_dup_boxed (value);
      break;
    case PROP_JOINS_ARGUMENTS:
      parallel_launcher_set_joins_arguments (self, g_value_get_boolean (value));
      break;
    case PROP_TRUSTS_EXIT_STATUS:
      parallel_launcher_set_trusts_exit_status (self, g_value_get_boolean (value));
      break;
    case PROP_UNSET_VARIABLES:
      parallel_launcher_set_unset_variables (self, g_value_get_boxed (value));
      break;
    case PROP_CANCEL_ARGV:
      parallel_launcher_set_cancel_argv (self, g_value_get_boxed (value));
      break;
    case PROP_AGENT:
      parallel_launcher_set_agent (self, g_value_get_string (value));
      break;
    case PROP_PATIENCE:
      parallel_launcher_set_patience (self, g_value_get_double (value));
      break;
    case PROP_HEARTBEAT_TIMEOUT:
      parallel_launcher_set_heartbeat_timeout (self, g_value_get_double (value));
      break;
    case PROP_CONNECT_BACK:
      parallel_launcher_set_connect_back (self, g_value_get_boolean (value));
      break;
    case PROP_ADDRESS:
      parallel_launcher_set_address (self, g_value_get_string (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
install_arguments (void)
{
  const GParamFlags plain = G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  /**
   * ParallelLauncher:argv: (getter get_argv)
   *
   * What is put in front of what is started: a program and its arguments.
   */
  properties[PROP_ARGV] = g_param_spec_boxed ("argv", NULL, NULL, G_TYPE_STRV,
                                              G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * ParallelLauncher:joins-arguments: (getter get_joins_arguments) (setter set_joins_arguments)
   *
   * Whether the launcher joins its arguments with spaces and gives the line to a shell on the far side, as `ssh` does. Then each
   * argument is quoted, for a shell as POSIX has it.
   */
  properties[PROP_JOINS_ARGUMENTS] = g_param_spec_boolean ("joins-arguments", NULL, NULL, FALSE, plain);

  /**
   * ParallelLauncher:trusts-exit-status: (getter get_trusts_exit_status) (setter set_trusts_exit_status)
   *
   * Whether the launcher's exit status is that of what it has started. That of `srun` is 0 when a node is lost (before Slurm
   * 23.02), that of `ssh` is 255 when the connection is.
   */
  properties[PROP_TRUSTS_EXIT_STATUS] = g_param_spec_boolean ("trusts-exit-status", NULL, NULL, TRUE, plain);

  /**
   * ParallelLauncher:unset-variables: (getter get_unset_variables) (setter set_unset_variables)
   *
   * The names of the variables that the launcher must not see, because they change what it does. With Slurm there are some.
   */
  properties[PROP_UNSET_VARIABLES] = g_param_spec_boxed ("unset-variables", NULL, NULL, G_TYPE_STRV, plain);

  /**
   * ParallelLauncher:cancel-argv: (getter get_cancel_argv) (setter set_cancel_argv)
   *
   * A program and its arguments that stop something on the far side, or %NULL for none. `{job}` and `{step}` in them stand for what
   * the far side has in the variables `SLURM_JOB_ID` and `SLURM_STEP_ID`.
   *
   * It is the last resort: the end of the standard input comes first, then a signal to the launcher.
   */
  properties[PROP_CANCEL_ARGV] = g_param_spec_boxed ("cancel-argv", NULL, NULL, G_TYPE_STRV, plain);

  /**
   * ParallelLauncher:agent: (getter get_agent) (setter set_agent)
   *
   * The path, on the far side, of the program of this library that runs there what is to be run; %NULL for the path that it has in
   * this installation.
   */
  properties[PROP_AGENT] = g_param_spec_string ("agent", NULL, NULL, NULL, plain);
}

static void
install_resources (void)
{
  const GParamFlags plain = G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;
  const GParamFlags fixed = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  /**
   * ParallelLauncher:patience: (getter get_patience) (setter set_patience)
   *
   * How long the launcher waits for resources, an allocation of Slurm, in seconds; 0 for what is free at once; -1 for as long as it
   * takes. After that the steps fail with %G_IO_ERROR_TIMED_OUT.
   */
  properties[PROP_PATIENCE] = g_param_spec_double ("patience", NULL, NULL, -1, G_MAXDOUBLE, -1, plain);

  /**
   * ParallelLauncher:heartbeat-timeout: (getter get_heartbeat_timeout) (setter set_heartbeat_timeout)
   *
   * How long the far side may give no sign of life, in seconds, until what it runs is taken for lost. It gives four in this
   * time, however busy the step is. A far side that ends, or whose connection is closed, is noticed at once.
   */
  properties[PROP_HEARTBEAT_TIMEOUT] =
    g_param_spec_double ("heartbeat-timeout", NULL, NULL, 0.1, 86400, DEFAULT_HEARTBEAT_TIMEOUT, plain);

  /**
   * ParallelLauncher:status: (getter dup_status)
   *
   * What the launcher is waiting for, in words, as "waiting for resources"; %NULL for nothing.
   */
  properties[PROP_STATUS] = g_param_spec_string ("status", NULL, NULL, NULL, fixed);

  /**
   * ParallelLauncher:n-slots: (getter get_n_slots)
   *
   * The number of CPUs that the launcher has, once it is known; 0 before that, and where it is never known.
   */
  properties[PROP_N_SLOTS] = g_param_spec_uint ("n-slots", NULL, NULL, 0, G_MAXUINT, 0, fixed);

  /**
   * ParallelLauncher:connect-back: (getter get_connect_back) (setter set_connect_back)
   *
   * Whether the far side may connect to this program by TCP for what is big. It shows a secret that it got through its standard
   * input; one that does not is refused. Without, and where it does not succeed, everything goes through the standard streams.
   *
   * It is on for Slurm, whose streams are slow for more than a kilobyte, and off for all others.
   */
  properties[PROP_CONNECT_BACK] = g_param_spec_boolean ("connect-back", NULL, NULL, FALSE, plain);

  /**
   * ParallelLauncher:address: (getter get_address) (setter set_address)
   *
   * The host name or address of this machine where the far side connects to. %NULL for what the host's own name stands for with
   * Slurm, and the loopback address with all others.
   */
  properties[PROP_ADDRESS] = g_param_spec_string ("address", NULL, NULL, NULL, plain);
}

static void
parallel_launcher_class_init (ParallelLauncherClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = parallel_launcher_finalize;
  object_class->get_property = parallel_launcher_get_property;
  object_class->set_property = parallel_launcher_set_property;
  install_arguments ();
  install_resources ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
parallel_launcher_init (ParallelLauncher *self)
{
  self->trusts_exit_status = TRUE;
  self->patience = -1;
  self->heartbeat_timeout = DEFAULT_HEARTBEAT_TIMEOUT;
  self->core = parallel_launcher_core_new (self);
  g_weak_ref_init (&self->agents, NULL);
}

/**
 * parallel_launcher_new_prefix:
 * @argv: (array zero-terminated=1) (element-type filename): a program, looked for in `PATH`, and its arguments
 *
 * Makes a launcher of any program that starts the one whose name and arguments follow its own: `podman run -i IMAGE`,
 * `flatpak-spawn --host --watch-bus`, `systemd-run --user --scope -q`.
 *
 * It has to hand on standard input and output, and to end when what it has started ends. `flatpak-spawn` needs
 * `--watch-bus`, or the command outlives it.
 *
 * Returns: (transfer full): the new launcher
 */
ParallelLauncher *
parallel_launcher_new_prefix (const char * const *argv)
{
  g_return_val_if_fail (argv != NULL && argv[0] != NULL, NULL);

  return g_object_new (PARALLEL_TYPE_LAUNCHER, "argv", argv, NULL);
}

/**
 * parallel_launcher_new_ssh:
 * @host: a host, as `ssh` takes it; also `user@host`, or a name from its configuration
 * @options: (nullable) (array zero-terminated=1) (element-type filename): options of `ssh`, as `-p` and `2222`, or %NULL
 *
 * Makes a launcher that starts programs on another machine by `ssh`. It never asks for a password: a key, or an agent that
 * has one, is needed.
 *
 * The user's shell there has to be one as POSIX has it.
 *
 * Returns: (transfer full): the new launcher
 */
ParallelLauncher *
parallel_launcher_new_ssh (const char         *host,
                           const char * const *options)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) argv = NULL;

  g_return_val_if_fail (host != NULL && host[0] != '\0', NULL);

  g_strv_builder_add_many (builder, "ssh", "-T", "-o", "BatchMode=yes", NULL);
  if (options != NULL)
    g_strv_builder_addv (builder, (const char **) options);
  g_strv_builder_add_many (builder, "--", host, NULL);
  argv = g_strv_builder_end (builder);

  return g_object_new (PARALLEL_TYPE_LAUNCHER,
                       "argv", argv,
                       "joins-arguments", TRUE,
                       "trusts-exit-status", FALSE,
                       NULL);
}

/**
 * parallel_launcher_new_slurm:
 * @options: (nullable) (array zero-terminated=1) (element-type filename): options of `salloc`, as `-n6` or `--partition=short`,
 *   or %NULL
 *
 * Makes a launcher that starts programs on a cluster by Slurm's `srun`.
 *
 * In an allocation, which `salloc` or `sbatch` has got for this program, they run there, and @options mean nothing. Outside of
 * one the launcher gets an allocation by `salloc` with these options, as soon as something is to be started, and keeps it. If a node of it
 * fails, the others stay.
 *
 * Returns: (transfer full): the new launcher
 */
ParallelLauncher *
parallel_launcher_new_slurm (const char * const *options)
{
  static const char * const none[] = { NULL };
  ParallelLauncher *self = g_object_new (PARALLEL_TYPE_LAUNCHER,
                                         "argv", slurm_argv,
                                         "trusts-exit-status", FALSE,
                                         "unset-variables", slurm_variables,
                                         "cancel-argv", slurm_cancel_argv,
                                         "connect-back", TRUE,
                                         NULL);

  parallel_launcher_core_close (self->core);
  self->core = parallel_launcher_core_new_slurm (self, options != NULL ? options : none);

  return self;
}

/**
 * parallel_launcher_dup_status: (get-property status)
 * @self: a launcher
 *
 * What the launcher is waiting for. This may be called from any thread.
 *
 * Returns: (transfer full) (nullable): words, or %NULL for nothing
 */
char *
parallel_launcher_dup_status (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), NULL);

  return parallel_launcher_core_dup_status (self->core);
}

/**
 * parallel_launcher_get_n_slots: (get-property n-slots)
 * @self: a launcher
 *
 * How many CPUs the launcher has. This may be called from any thread.
 *
 * Returns: their number, or 0 if it is not known
 */
guint
parallel_launcher_get_n_slots (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), 0);

  return parallel_launcher_core_get_n_slots (self->core);
}
