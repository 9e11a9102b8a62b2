/* parallel-worker-process.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-process.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parallel-exec-reports.h"
#include "parallel-fd.h"
#include "parallel-guardian.h"
#include "parallel-worker-relay.h"

/* What tells a program that it is to be a worker. */
#define WORKER_VARIABLE "PARALLEL_GLIB_WORKER"

static gboolean
open_socket (int      fds[2],
             GError **error)
{
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0)
    {
      if (g_unix_set_fd_nonblocking (fds[0], TRUE, NULL) && parallel_fd_lift (&fds[1]))
        return TRUE;
      parallel_fd_clear (&fds[0]);
      parallel_fd_clear (&fds[1]);
    }

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
               "The worker’s input could not be made: %s", g_strerror (errno));
  return FALSE;
}

static void
tell_exit (ParallelWorkerProcess *self,
           int                    wait_status)
{
  parallel_guardian_remove (self->pid);
  self->funcs->exited (self->owner, wait_status);
}

/* ---- as a program ---- */

static ParallelSpawnRequest
make_request (const ParallelWorkerRecipe *recipe)
{
  return (ParallelSpawnRequest) {
    .argv = (const char * const *) recipe->argv, .cwd = recipe->cwd, .stdin_fd = -1
  };
}

/* What the helper could not do is known now. */
static void
exited_cb (int      pid,
           int      wait_status,
           gpointer user_data)
{
  ParallelWorkerProcess *self = user_data;
  ParallelSpawnRequest request = make_request (self->recipe);
  GError *error = parallel_spawner_take_failure (pid, &request);
  ParallelExecEnd end;

  if (parallel_exec_reports_take_end (pid, &end))
    wait_status = end.wait_status;
  parallel_exec_reports_forget (pid);

  if (error == NULL)
    {
      tell_exit (self, wait_status);
      return;
    }
  parallel_guardian_remove (pid);
  self->funcs->failed (self->owner, error);
}

static char **
make_environment (const ParallelWorkerRecipe *recipe)
{
  char **env;

  if (recipe->launcher != NULL)
    return parallel_launcher_dup_environ (recipe->launcher, NULL);

  env = recipe->env != NULL ? g_strdupv (recipe->env) : g_get_environ ();

  return g_environ_setenv (env, WORKER_VARIABLE, "1", TRUE);
}

static gboolean
spawn (ParallelWorkerProcess       *self,
       const ParallelWorkerRecipe  *recipe,
       const ParallelPlace         *place,
       int                          input_fd,
       GError                     **error)
{
  g_auto (GStrv) env = make_environment (recipe);
  g_auto (GStrv) relay = NULL;
  ParallelSpawnRequest request = make_request (recipe);
  ParallelSpawned spawned;

  if (recipe->launcher != NULL)
    {
      relay = parallel_worker_relay_dup_argv (recipe->launcher, place, (const char * const *) recipe->argv,
                                              (const char * const *) recipe->env, recipe->cwd);
      request.argv = (const char * const *) relay;
      request.cwd = NULL;
    }
  request.env = (const char * const *) env;
  request.stdin_fd = input_fd;
  if (!parallel_spawner_spawn (&request, &spawned, error))
    return FALSE;

  self->pid = spawned.pid;
  self->mark = spawned.mark;
  self->subprocess = spawned.subprocess;
  self->answers_fd = spawned.stdout_fd;
  self->output_fd = spawned.stderr_fd;
  parallel_spawner_watch (&spawned, exited_cb, self);
  return TRUE;
}

/* ---- by a server ---- */

static void
order_started_cb (gpointer owner,
                  int      pid)
{
  ParallelWorkerProcess *self = owner;

  self->pid = pid;
  self->order = NULL;   /* its end is the link's */
  parallel_guardian_add (pid);
  self->funcs->started (self->owner);
}

static void
order_failed_cb (gpointer  owner,
                 GError   *error)
{
  ParallelWorkerProcess *self = owner;

  self->order = NULL;
  self->funcs->failed (self->owner, error);
}

static void
order_exited_cb (gpointer owner,
                 int      wait_status)
{
  tell_exit (owner, wait_status);
}

static const ParallelWorkerOrderFuncs order_funcs =
{
  .started = order_started_cb,
  .failed = order_failed_cb,
  .exited = order_exited_cb,
};

static gboolean
order (ParallelWorkerProcess       *self,
       const ParallelWorkerRecipe  *recipe,
       int                          input_fd,
       GError                     **error)
{
  int fds[3] = { input_fd, -1, -1 };

  if (!parallel_fd_open_pipe (&self->answers_fd, &fds[1], 0) ||
      !parallel_fd_open_pipe (&self->output_fd, &fds[2], 0))
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "The worker’s output could not be made: %s", g_strerror (errno));
      for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
        parallel_fd_clear (&fds[i]);
      return FALSE;
    }

  self->mark = parallel_spawner_make_mark ();
  self->order = parallel_worker_server_order (recipe->server, fds, self->mark, &order_funcs, self, error);
  return self->order != NULL;
}

gboolean
parallel_worker_process_start (ParallelWorkerProcess             *self,
                               const ParallelWorkerRecipe        *recipe,
                               const ParallelPlace               *place,
                               const ParallelWorkerProcessFuncs  *funcs,
                               gpointer                           owner,
                               GError                           **error)
{
  int sockets[2];
  gboolean started;

  *self = (ParallelWorkerProcess) { .input_fd = -1, .answers_fd = -1, .output_fd = -1 };
  self->recipe = recipe;
  self->funcs = funcs;
  self->owner = owner;
  if (!open_socket (sockets, error))
    return FALSE;

  self->input_fd = sockets[0];
  started = recipe->server != NULL ? order (self, recipe, sockets[1], error)
                                   : spawn (self, recipe, place, sockets[1], error);
  if (!started)
    parallel_worker_process_clear (self);
  return started;
}

void
parallel_worker_process_cancel (ParallelWorkerProcess *self)
{
  parallel_worker_server_cancel (g_steal_pointer (&self->order));
}

void
parallel_worker_process_clear (ParallelWorkerProcess *self)
{
  parallel_fd_clear (&self->input_fd);
  parallel_fd_clear (&self->answers_fd);
  parallel_fd_clear (&self->output_fd);
  g_clear_object (&self->subprocess);
  g_clear_pointer (&self->mark, g_free);
}
