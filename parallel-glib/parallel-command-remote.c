/* parallel-command-remote.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-command-task-private.h"

#include "parallel-fork.h"
#include "parallel-remote-command.h"
#include "parallel-worker-pool.h"
#include "parallel-worker-relay.h"
#include "parallel-worker-task-private.h"

/* A command task with a launcher: its steps are those of a pool of workers, "parallel-glib-agent commands", each of which
 * runs one program after the other. To start each by the launcher would take many times longer. All tasks with the same launcher
 * have them in common: in a list of commands each has a task of its own. */

/* Guards the field agents of every task. */
static GMutex mutex;

static GBytes *
encode (ParallelStep *step)
{
  ParallelCommandTask *task = PARALLEL_COMMAND_TASK (parallel_step_get_task (step));

  return parallel_worker_task_serialise (parallel_remote_dup_command (task, step));
}

static const ParallelWorkerCodec codec =
{
  .encode = encode,
  .decode = parallel_remote_take_end,
  .pieces = TRUE,
};

/* A worker task that is to make the agents of @launcher. */
static ParallelTask *
new_agents (ParallelLauncher *launcher)
{
  const char *agent = launcher->agent != NULL ? launcher->agent : parallel_worker_relay_get_agent ();
  ParallelTask *agents = parallel_worker_task_new ((const char * const []) { agent, "commands", NULL });

  parallel_worker_task_set_launcher (PARALLEL_WORKER_TASK (agents), launcher);
  PARALLEL_WORKER_TASK (agents)->codec = &codec;
  /* Behind its mark there is nothing but what programs print. */
  parallel_worker_task_set_setup_variant (PARALLEL_WORKER_TASK (agents), g_variant_new ("()"));

  return agents;
}

static void
forked (void)
{
  g_mutex_init (&mutex);
}

ParallelTask *
parallel_command_remote_get_pool (ParallelTask *task)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (task);

  parallel_fork_add_once (forked);
  g_mutex_lock (&mutex);
  if (self->agents == NULL)
    self->agents = g_weak_ref_get (&self->launcher->agents);
  if (self->agents == NULL)
    {
      self->agents = new_agents (self->launcher);
      g_weak_ref_set (&self->launcher->agents, self->agents);
    }
  g_mutex_unlock (&mutex);

  return self->agents;
}

void
parallel_command_remote_hand (ParallelTask *task,
                              ParallelStep *step)
{
  parallel_worker_pool_hand (parallel_command_remote_get_pool (task), step);
}

void
parallel_command_remote_stop (ParallelTask *task,
                              ParallelStep *step)
{
  parallel_worker_pool_stop_step (parallel_command_remote_get_pool (task), step);
}
