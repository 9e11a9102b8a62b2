/* parallel-worker-relay.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-relay.h"

#include <stdlib.h>

const char *
parallel_worker_relay_get_agent (void)
{
  static const char *agent;

  /* As parallel_launch_get_helper(). */
  if (g_once_init_enter (&agent))
    {
      const char *value = secure_getenv ("PARALLEL_GLIB_AGENT");

      if (value == NULL || value[0] == '\0')
        value = PARALLEL_AGENT_PATH;
      g_once_init_leave (&agent, g_strdup (value));
    }

  return agent;
}

static char **
dup_launcher_argv (ParallelLauncher    *launcher,
                   const ParallelPlace *place)
{
  const char *far = launcher->agent != NULL ? launcher->agent : parallel_worker_relay_get_agent ();
  const char *argv[] = { far, "serve", NULL };

  return parallel_launcher_dup_argv (launcher, place, argv);
}

/* The ids in it are not known yet. */
static void
put_cancel (ParallelLauncher *launcher,
            GVariantDict     *dict)
{
  if (launcher->cancel_argv != NULL)
    g_variant_dict_insert (dict, "cancel", "^aay", launcher->cancel_argv);
}

/* The host, where the arguments are joined for its shell, or else the launcher itself. */
static const char *
get_name (ParallelLauncher *launcher)
{
  if (launcher->argv == NULL || launcher->argv[0] == NULL)
    return "this machine";

  return launcher->joins_arguments ? launcher->argv[g_strv_length (launcher->argv) - 1] : launcher->argv[0];
}

static char *
make_spec (ParallelLauncher    *launcher,
           const ParallelPlace *place,
           const char * const  *argv,
           const char * const  *env,
           const char          *cwd)
{
  g_autoptr (GVariant) spec = NULL;
  const char *address = launcher->address != NULL ? launcher->address : g_get_host_name ();
  const char *name = place->node != NULL ? place->node : get_name (launcher);
  g_autofree char *here = cwd == NULL && parallel_launcher_shares_folders (launcher) ? g_get_current_dir () : NULL;
  GVariantDict dict;

  /* Slurm would run it in another folder, without a word, where this one does not exist. */
  if (here != NULL)
    cwd = here;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "argv", "^aay", argv);
  g_variant_dict_insert (&dict, "deadline", "d", launcher->heartbeat_timeout);
  g_variant_dict_insert (&dict, "place", "s", name);
  g_variant_dict_insert (&dict, "trusted", "b", launcher->trusts_exit_status);
  if (env != NULL)
    g_variant_dict_insert (&dict, "environ", "^aay", env);
  if (cwd != NULL)
    g_variant_dict_insert (&dict, "cwd", "^ay", cwd);
  if (launcher->connect_back)
    g_variant_dict_insert (&dict, "address", "s", address);
  put_cancel (launcher, &dict);

  spec = g_variant_ref_sink (g_variant_dict_end (&dict));
  return g_variant_print (spec, TRUE);
}

char **
parallel_worker_relay_dup_argv (ParallelLauncher    *launcher,
                                const ParallelPlace *place,
                                const char * const  *argv,
                                const char * const  *env,
                                const char          *cwd)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) launcher_argv = dup_launcher_argv (launcher, place);
  g_autofree char *spec = make_spec (launcher, place, argv, env, cwd);

  g_strv_builder_add_many (builder, parallel_worker_relay_get_agent (), "relay", spec, NULL);
  g_strv_builder_addv (builder, (const char **) launcher_argv);
  return g_strv_builder_end (builder);
}
