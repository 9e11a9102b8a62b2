/* parallel-command-remote.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-command-task-private.h"

#include "parallel-remote-command.h"
#include "parallel-worker-pool.h"
#include "parallel-worker-relay.h"
#include "parallel-worker-task-private.h"

/* A command task with a launcher: its steps are those of a pool of workers, "parallel-glib-agent commands", each of which
 * runs one program after the other. To start each by the launcher would take many times longer. */

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

static ParallelTask *
ensure_agents (ParallelTask *task)
{
  ParallelCommandTask *self = PARALLEL_COMMAND_TASK (task);
  const char *agent;

  if (self->agents != NULL)
    return self->agents;

  agent = self->launcher->agent != NULL ? self->launcher->agent : parallel_worker_relay_get_agent ();
  self->agents = parallel_worker_task_new ((const char * const []) { agent, "commands", NULL });
  parallel_worker_task_set_launcher (PARALLEL_WORKER_TASK (self->agents), self->launcher);
  PARALLEL_WORKER_TASK (self->agents)->codec = &codec;

  return self->agents;
}

void
parallel_command_remote_hand (ParallelTask *task,
                              ParallelStep *step)
{
  parallel_worker_pool_hand (ensure_agents (task), step);
}

void
parallel_command_remote_stop (ParallelTask *task,
                              ParallelStep *step)
{
  parallel_worker_pool_stop_step (ensure_agents (task), step);
}

void
parallel_command_remote_wake (ParallelTask *task,
                              gpointer      host)
{
  parallel_worker_pool_wake (ensure_agents (task), host);
}

void
parallel_command_remote_recall (ParallelTask *task,
                                gpointer      host)
{
  parallel_worker_pool_recall (ensure_agents (task), host);
}

gboolean
parallel_command_remote_close (ParallelTask *task,
                               gpointer      host)
{
  return parallel_worker_pool_close (ensure_agents (task), host);
}
