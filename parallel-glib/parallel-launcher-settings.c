/* parallel-launcher-settings.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launcher-private.h"

#include "parallel-value.h"

/* What must be known of a launcher. */

static void
set_strings (char               ***field,
             const char * const   *value)
{
  char **previous = *field;

  *field = g_strdupv ((char **) value);
  g_strfreev (previous);
}

/**
 * parallel_launcher_get_argv: (get-property argv)
 * @self: a launcher
 *
 * What is put in front of what is started.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): a program and its arguments, or %NULL
 *   for none
 */
const char * const *
parallel_launcher_get_argv (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), NULL);

  return (const char * const *) self->argv;
}

/**
 * parallel_launcher_get_joins_arguments: (get-property joins-arguments)
 * @self: a launcher
 *
 * Whether arguments are joined for a shell on the far side.
 *
 * Returns: whether they are
 */
gboolean
parallel_launcher_get_joins_arguments (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), FALSE);

  return self->joins_arguments;
}

/**
 * parallel_launcher_set_joins_arguments: (set-property joins-arguments)
 * @self: a launcher
 * @joins_arguments: whether they are
 *
 * Sets whether arguments are joined for a shell on the far side, and so have to be quoted.
 */
void
parallel_launcher_set_joins_arguments (ParallelLauncher *self,
                                       gboolean          joins_arguments)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));

  if (self->joins_arguments == joins_arguments)
    return;

  self->joins_arguments = joins_arguments;
  g_object_notify (G_OBJECT (self), "joins-arguments");
}

/**
 * parallel_launcher_get_trusts_exit_status: (get-property trusts-exit-status)
 * @self: a launcher
 *
 * Whether the launcher's exit status is that of what it has started.
 *
 * Returns: whether it is
 */
gboolean
parallel_launcher_get_trusts_exit_status (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), FALSE);

  return self->trusts_exit_status;
}

/**
 * parallel_launcher_set_trusts_exit_status: (set-property trusts-exit-status)
 * @self: a launcher
 * @trusts_exit_status: whether it is
 *
 * Sets whether the launcher's exit status is that of what it has started.
 */
void
parallel_launcher_set_trusts_exit_status (ParallelLauncher *self,
                                          gboolean          trusts_exit_status)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));

  if (self->trusts_exit_status == trusts_exit_status)
    return;

  self->trusts_exit_status = trusts_exit_status;
  g_object_notify (G_OBJECT (self), "trusts-exit-status");
}

/**
 * parallel_launcher_get_unset_variables: (get-property unset-variables)
 * @self: a launcher
 *
 * The variables that the launcher must not see.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): their names, or %NULL for none
 */
const char * const *
parallel_launcher_get_unset_variables (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), NULL);

  return (const char * const *) self->unset_variables;
}

/**
 * parallel_launcher_set_unset_variables: (set-property unset-variables)
 * @self: a launcher
 * @unset_variables: (nullable) (array zero-terminated=1) (element-type filename): their names, or %NULL for none
 *
 * Sets the variables that the launcher must not see.
 */
void
parallel_launcher_set_unset_variables (ParallelLauncher   *self,
                                       const char * const *unset_variables)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));

  set_strings (&self->unset_variables, unset_variables);
  g_object_notify (G_OBJECT (self), "unset-variables");
}

/**
 * parallel_launcher_get_cancel_argv: (get-property cancel-argv)
 * @self: a launcher
 *
 * What stops something that was started and does not end otherwise.
 *
 * Returns: (transfer none) (nullable) (array zero-terminated=1) (element-type filename): a program and its arguments, or %NULL
 *   for none
 */
const char * const *
parallel_launcher_get_cancel_argv (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), NULL);

  return (const char * const *) self->cancel_argv;
}

/**
 * parallel_launcher_set_cancel_argv: (set-property cancel-argv)
 * @self: a launcher
 * @cancel_argv: (nullable) (array zero-terminated=1) (element-type filename): a program and its arguments, or %NULL for none
 *
 * Sets what stops something that was started and does not end otherwise. `{job}` and `{step}` in it stand for ids.
 */
void
parallel_launcher_set_cancel_argv (ParallelLauncher   *self,
                                   const char * const *cancel_argv)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));
  g_return_if_fail (cancel_argv == NULL || cancel_argv[0] != NULL);

  set_strings (&self->cancel_argv, cancel_argv);
  g_object_notify (G_OBJECT (self), "cancel-argv");
}

/**
 * parallel_launcher_get_agent: (get-property agent)
 * @self: a launcher
 *
 * The agent's program on the far side.
 *
 * Returns: (transfer none) (nullable) (type filename): its path, or %NULL for that of this installation
 */
const char *
parallel_launcher_get_agent (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), NULL);

  return self->agent;
}

/**
 * parallel_launcher_set_agent: (set-property agent)
 * @self: a launcher
 * @agent: (nullable) (type filename): its path, or %NULL for that of this installation
 *
 * Sets the agent's program on the far side.
 */
void
parallel_launcher_set_agent (ParallelLauncher *self,
                             const char       *agent)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));

  if (parallel_set_string (&self->agent, agent))
    g_object_notify (G_OBJECT (self), "agent");
}

/**
 * parallel_launcher_get_heartbeat_timeout: (get-property heartbeat-timeout)
 * @self: a launcher
 *
 * How long the far side may give no sign of life.
 *
 * Returns: a number of seconds
 */
double
parallel_launcher_get_heartbeat_timeout (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), 0);

  return self->heartbeat_timeout;
}

/**
 * parallel_launcher_set_heartbeat_timeout: (set-property heartbeat-timeout)
 * @self: a launcher
 * @heartbeat_timeout: a number of seconds, from 0.1 to 86400
 *
 * Sets how long the far side may give no sign of life until what it runs is taken for lost.
 */
void
parallel_launcher_set_heartbeat_timeout (ParallelLauncher *self,
                                         double            heartbeat_timeout)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));
  g_return_if_fail (heartbeat_timeout >= 0.1 && heartbeat_timeout <= 86400);

  if (self->heartbeat_timeout == heartbeat_timeout)
    return;

  self->heartbeat_timeout = heartbeat_timeout;
  g_object_notify (G_OBJECT (self), "heartbeat-timeout");
}

/**
 * parallel_launcher_get_patience: (get-property patience)
 * @self: a launcher
 *
 * How long resources are waited for.
 *
 * Returns: a number of seconds; negative for no limit
 */
double
parallel_launcher_get_patience (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), -1);

  return self->patience;
}

/**
 * parallel_launcher_set_patience: (set-property patience)
 * @self: a launcher
 * @patience: a number of seconds; -1 for no limit
 *
 * Sets how long resources are waited for.
 */
void
parallel_launcher_set_patience (ParallelLauncher *self,
                                double            patience)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));
  g_return_if_fail (patience >= 0 || patience == -1);

  if (self->patience == patience)
    return;

  self->patience = patience;
  g_object_notify (G_OBJECT (self), "patience");
}

/**
 * parallel_launcher_get_connect_back: (get-property connect-back)
 * @self: a launcher
 *
 * Whether the far side may connect to this program.
 *
 * Returns: whether it may
 */
gboolean
parallel_launcher_get_connect_back (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), FALSE);

  return self->connect_back;
}

/**
 * parallel_launcher_set_connect_back: (set-property connect-back)
 * @self: a launcher
 * @connect_back: whether it may
 *
 * Sets whether the far side may connect to this program.
 */
void
parallel_launcher_set_connect_back (ParallelLauncher *self,
                                    gboolean          connect_back)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));

  if (self->connect_back == connect_back)
    return;

  self->connect_back = connect_back;
  g_object_notify (G_OBJECT (self), "connect-back");
}

/**
 * parallel_launcher_get_address: (get-property address)
 * @self: a launcher
 *
 * Where the far side connects to.
 *
 * Returns: (transfer none) (nullable): a host name or an address of this machine, or %NULL
 */
const char *
parallel_launcher_get_address (ParallelLauncher *self)
{
  g_return_val_if_fail (PARALLEL_IS_LAUNCHER (self), NULL);

  return self->address;
}

/**
 * parallel_launcher_set_address: (set-property address)
 * @self: a launcher
 * @address: (nullable): a host name or an address of this machine, or %NULL
 *
 * Sets where the far side connects to.
 */
void
parallel_launcher_set_address (ParallelLauncher *self,
                               const char       *address)
{
  g_return_if_fail (PARALLEL_IS_LAUNCHER (self));

  if (parallel_set_string (&self->address, address))
    g_object_notify (G_OBJECT (self), "address");
}
