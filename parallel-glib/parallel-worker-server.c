/* parallel-worker-server.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-server-private.h"

#include <signal.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-fd.h"
#include "parallel-fork.h"
#include "parallel-server-link.h"

/**
 * ParallelWorkerServer:
 *
 * A process that makes worker processes by forking itself.
 *
 * Where it takes long until a worker is ready, because a language has to be started and modules have to be loaded, a server does
 * that once, and each worker costs no more than a fork. What it has to understand is in the [worker
 * protocol](worker-protocol.html). The same server can serve any number of tasks and runners. It is started with the first
 * worker that is needed; if it ends, its workers die with it, and the next one that is needed starts it again. It ends when
 * nothing refers to it any more, or at once by [method@WorkerServer.stop].
 *
 * ## Threads
 *
 * All of this happens in the library's own thread.
 */

enum
{
  PROP_ARGV = 1,
  PROP_ENVIRON,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

struct _ParallelWorkerServer
{
  GObject             parent_instance;

  /* Constant. */
  char              **argv;         /* NULL: it was there before */
  char              **env;          /* NULL: that of this program */
  int                 generation;   /* of the process that made it */

  /* Engine thread only, or nobody has it yet. */
  int                 fd;           /* of the one that was there before, or -1 */
  int                 pid;
  ParallelServerLink *link;         /* NULL: it does not run */
};

G_DEFINE_FINAL_TYPE (ParallelWorkerServer, parallel_worker_server, G_TYPE_OBJECT)

/* ---- in the engine ---- */

static gboolean
ensure_link (ParallelWorkerServer  *self,
             GError               **error)
{
  if (self->link != NULL && parallel_server_link_has_ended (self->link))
    g_clear_pointer (&self->link, parallel_server_link_close);
  if (self->link != NULL)
    return TRUE;

  if (self->argv != NULL)
    self->link = parallel_server_link_new ((const char * const *) self->argv, (const char * const *) self->env, error);
  else if (self->fd >= 0 && self->generation == parallel_fork_generation)
    self->link = parallel_server_link_new_for_fd (g_steal_fd (&self->fd), self->pid);
  else
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                         "The server that makes the workers has ended, and cannot be started again");

  return self->link != NULL;
}

ParallelWorkerOrder *
parallel_worker_server_order (ParallelWorkerServer            *self,
                              const int                        fds[3],
                              const char                      *mark,
                              const ParallelWorkerOrderFuncs  *funcs,
                              gpointer                         owner,
                              GError                         **error)
{
  if (!ensure_link (self, error))
    {
      for (guint i = 0; i < 3; i++)
        close (fds[i]);
      return NULL;
    }

  return parallel_server_link_order (self->link, fds, mark, funcs, owner, self);
}

void
parallel_worker_server_cancel (ParallelWorkerOrder *order)
{
  parallel_server_link_cancel (order);
}

typedef struct
{
  ParallelMail        mail;
  ParallelServerLink *link;     /* NULL: one that was there before and has not been used */
  int                 fd;
  int                 pid;
} CloseMail;

static void
close_in_engine (ParallelMail *mail,
                 gboolean      closed)
{
  CloseMail *close_mail = (CloseMail *) mail;

  if (close_mail->link == NULL)
    close_mail->link = parallel_server_link_new_for_fd (close_mail->fd, close_mail->pid);
  parallel_server_link_close (close_mail->link);
  g_free (close_mail);
}

/* On the stack of the thread that waits. */
typedef struct
{
  ParallelMail          mail;
  ParallelWorkerServer *server;
  GMutex                mutex;
  GCond                 cond;
  gboolean              is_gone;
} StopMail;

static void
gone_cb (gpointer user_data)
{
  StopMail *stop = user_data;

  g_mutex_lock (&stop->mutex);
  stop->is_gone = TRUE;
  g_cond_signal (&stop->cond);
  g_mutex_unlock (&stop->mutex);
}

static void
stop_in_engine (ParallelMail *mail,
                gboolean      closed)
{
  StopMail *stop = (StopMail *) mail;
  ParallelWorkerServer *self = stop->server;

  if (self->link == NULL && self->fd >= 0)
    self->link = parallel_server_link_new_for_fd (g_steal_fd (&self->fd), self->pid);
  if (self->link != NULL)
    parallel_server_link_stop (self->link, gone_cb, stop);
  else
    gone_cb (stop);
}

/* ---- the object ---- */

static void
parallel_worker_server_finalize (GObject *object)
{
  ParallelWorkerServer *self = PARALLEL_WORKER_SERVER (object);

  if (self->generation == parallel_fork_generation
      && (self->link != NULL || (self->fd >= 0 && parallel_engine_start (NULL))))
    {
      CloseMail *mail = g_new0 (CloseMail, 1);

      mail->link = self->link;
      mail->fd = g_steal_fd (&self->fd);
      mail->pid = self->pid;
      parallel_engine_post (&mail->mail, close_in_engine);
    }
  parallel_fd_clear (&self->fd);
  g_clear_pointer (&self->argv, g_strfreev);
  g_clear_pointer (&self->env, g_strfreev);

  G_OBJECT_CLASS (parallel_worker_server_parent_class)->finalize (object);
}

static void
parallel_worker_server_get_property (GObject    *object,
                                     guint       prop_id,
                                     GValue     *value,
                                     GParamSpec *pspec)
{
  ParallelWorkerServer *self = PARALLEL_WORKER_SERVER (object);

  if (prop_id == PROP_ARGV)
    g_value_set_boxed (value, self->argv);
  else if (prop_id == PROP_ENVIRON)
    g_value_set_boxed (value, self->env);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
parallel_worker_server_set_property (GObject      *object,
                                     guint         prop_id,
                                     const GValue *value,
                                     GParamSpec   *pspec)
{
  ParallelWorkerServer *self = PARALLEL_WORKER_SERVER (object);

  if (prop_id == PROP_ARGV)
    self->argv = g_value_dup_boxed (value);
  else if (prop_id == PROP_ENVIRON)
    self->env = g_value_dup_boxed (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
parallel_worker_server_class_init (ParallelWorkerServerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags fixed = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->finalize = parallel_worker_server_finalize;
  object_class->get_property = parallel_worker_server_get_property;
  object_class->set_property = parallel_worker_server_set_property;

  /**
   * ParallelWorkerServer:argv:
   *
   * The program of the server and its arguments, or %NULL for one that was there before.
   */
  properties[PROP_ARGV] = g_param_spec_boxed ("argv", NULL, NULL, G_TYPE_STRV, fixed);

  /**
   * ParallelWorkerServer:environ:
   *
   * The environment of the server as a list of `NAME=value`, or %NULL for the one of this program.
   */
  properties[PROP_ENVIRON] = g_param_spec_boxed ("environ", NULL, NULL, G_TYPE_STRV, fixed);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
parallel_worker_server_init (ParallelWorkerServer *self)
{
  parallel_fork_install ();
  self->generation = parallel_fork_generation;
  self->fd = -1;
}

/**
 * parallel_worker_server_new:
 * @argv: (array zero-terminated=1) (element-type filename): a program and its arguments
 * @env: (nullable) (array zero-terminated=1) (element-type filename): its environment as a list of `NAME=value`, or
 *   %NULL for that of this program
 *
 * Makes a server that is started when it is needed.
 *
 * Returns: (transfer full): the server
 */
ParallelWorkerServer *
parallel_worker_server_new (const char * const *argv,
                            const char * const *env)
{
  g_return_val_if_fail (argv != NULL && argv[0] != NULL, NULL);

  return g_object_new (PARALLEL_TYPE_WORKER_SERVER, "argv", argv, "environ", env, NULL);
}

/**
 * parallel_worker_server_new_for_fd:
 * @fd: this side of a pair of Unix sockets of the type SOCK_SEQPACKET; it is taken
 * @pid: the process id of the server, a child of this process that has made a process group of its own
 *
 * Makes a server of a process that has been forked from this one. The library waits for it.
 *
 * Returns: (transfer full): the server
 */
ParallelWorkerServer *
parallel_worker_server_new_for_fd (int fd,
                                   int pid)
{
  ParallelWorkerServer *self;

  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (pid > 0, NULL);

  self = g_object_new (PARALLEL_TYPE_WORKER_SERVER, NULL);
  self->fd = fd;
  self->pid = pid;

  return self;
}

/**
 * parallel_worker_server_stop:
 * @self: a server
 *
 * Ends the server, and with it all of its workers, and waits until its process is gone and has been waited for.
 *
 * A server that was made by [ctor@WorkerServer.new] is started again by the next worker that is needed. Without this call a
 * server ends soon after nothing refers to it any more, but nobody can tell when.
 *
 * This blocks for as long as the kernel takes to end a process. It may be called in any thread; in a process that was forked from
 * the one in which the server was made it does nothing.
 */
void
parallel_worker_server_stop (ParallelWorkerServer *self)
{
  StopMail stop = { .server = self };

  g_return_if_fail (PARALLEL_IS_WORKER_SERVER (self));
  g_return_if_fail (!parallel_engine_is_current ());

  if (self->generation != parallel_fork_generation || !parallel_engine_start (NULL))
    return;

  g_mutex_init (&stop.mutex);
  g_cond_init (&stop.cond);
  parallel_engine_post (&stop.mail, stop_in_engine);

  g_mutex_lock (&stop.mutex);
  while (!stop.is_gone)
    g_cond_wait (&stop.cond, &stop.mutex);
  g_mutex_unlock (&stop.mutex);

  g_mutex_clear (&stop.mutex);
  g_cond_clear (&stop.cond);
}
