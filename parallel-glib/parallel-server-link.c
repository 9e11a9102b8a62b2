/* parallel-server-link.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-server-link.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-exec-reports.h"
#include "parallel-fd.h"
#include "parallel-guardian.h"
#include "parallel-spawner.h"

/* The packets are those of docs/worker-protocol.md, "Servers". */

#define PROTOCOL_VERSION 1

/* One that is not wanted any more ends when it sees that, or is killed. */
#define CLOSE_TIME (10 * G_USEC_PER_SEC)

/* Of what it says, for the error when it ends. */
#define MAX_SAID         4096

struct _ParallelWorkerOrder
{
  ParallelServerLink             *link;
  const ParallelWorkerOrderFuncs *funcs;      /* NULL: nobody wants the worker any more */
  gpointer                        owner;
  ParallelWorkerServer           *holder;     /* a reference; NULL without funcs */
  guint32                         number;
  int                             pid;        /* 0: not started yet */
  int                             fds[3];     /* until they are sent */
  char                           *mark;
};

struct _ParallelServerLink
{
  int          fd;              /* -1: broken */
  GSource     *reader;
  GSource     *writer;          /* while there is no room for what is to be sent */
  GQueue       unsent;          /* of ParallelWorkerOrder, borrowed */
  GHashTable  *orders;          /* of ParallelWorkerOrder, by number */
  guint32      last_number;
  int          pid;
  gboolean     exited;
  gboolean     told;            /* and everybody has been told of it */
  gboolean     closed;          /* nobody but the watch of its process has it any more */
  GSource     *timer;           /* and for how long it may go on */
  GSubprocess *subprocess;      /* or NULL */
  char        *mark;
  int          output_fd;       /* what it prints; or -1 */
  GSource     *output;
  GString     *said;            /* the end of that */
  GSList      *waiters;         /* of Waiter: who wants to know when it is gone */
};

typedef struct
{
  ParallelServerGoneFunc func;
  gpointer               user_data;
} Waiter;

static void
order_free (ParallelWorkerOrder *order)
{
  for (guint i = 0; i < G_N_ELEMENTS (order->fds); i++)
    parallel_fd_clear (&order->fds[i]);
  g_free (order->mark);
  g_clear_object (&order->holder);
  g_free (order);
}

static void
close_socket (ParallelServerLink *self)
{
  parallel_source_clear (&self->reader);
  parallel_source_clear (&self->writer);
  if (self->fd >= 0)
    shutdown (self->fd, SHUT_RDWR);   /* a process that this one has forked may have it too */
  parallel_fd_clear (&self->fd);
}

static void
link_free (ParallelServerLink *self)
{
  close_socket (self);
  parallel_source_clear (&self->timer);
  parallel_source_clear (&self->output);
  parallel_fd_clear (&self->output_fd);
  g_queue_clear (&self->unsent);
  g_hash_table_unref (self->orders);
  g_clear_object (&self->subprocess);
  g_free (self->mark);
  g_string_free (self->said, TRUE);
  g_free (self);
}

/* ---- what is sent ---- */

static gboolean
send_order (ParallelServerLink  *self,
            ParallelWorkerOrder *order)
{
  guint32 number = GUINT32_TO_LE (order->number);
  struct iovec vectors[] = {
    { (char *) "F", 1 }, { &number, sizeof number }, { order->mark, strlen (order->mark) }
  };
  gssize n = parallel_fd_send (self->fd, vectors, G_N_ELEMENTS (vectors), order->fds, G_N_ELEMENTS (order->fds));

  return n >= 0 || errno != EAGAIN;   /* a server that is gone is seen elsewhere */
}

static void flush (ParallelServerLink *self);

static gboolean
writable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  ParallelServerLink *self = user_data;

  g_clear_pointer (&self->writer, g_source_unref);
  flush (self);
  return G_SOURCE_REMOVE;
}

static GSource *
watch (ParallelServerLink *self,
       int                 fd,
       GIOCondition        condition,
       GUnixFDSourceFunc   func)
{
  GSource *source = g_unix_fd_source_new (fd, condition);

  g_source_set_static_name (source, "[parallel] worker server");
  g_source_set_callback (source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());

  return source;
}

static void
flush (ParallelServerLink *self)
{
  ParallelWorkerOrder *order;

  while (self->fd >= 0 && self->writer == NULL && (order = g_queue_peek_head (&self->unsent)) != NULL)
    {
      if (!send_order (self, order))
        {
          self->writer = watch (self, self->fd, G_IO_OUT, writable_cb);
          return;
        }

      g_queue_pop_head (&self->unsent);
      for (guint i = 0; i < G_N_ELEMENTS (order->fds); i++)
        parallel_fd_clear (&order->fds[i]);
    }
}

/* The server may wait for it. */
static void
release (ParallelServerLink *self,
         guint32             pid)
{
  guint32 number = GUINT32_TO_LE (pid);
  guint8 packet[1 + sizeof number] = { 'R' };

  memcpy (packet + 1, &number, sizeof number);
  if (send (self->fd, packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    g_debug ("a worker of the server %d stays a zombie: %s", self->pid, g_strerror (errno));
}

/* ---- what it says ---- */

static guint32
get_number (const guint8 *data)
{
  guint32 number;

  memcpy (&number, data, sizeof number);
  return GUINT32_FROM_LE (number);
}

static ParallelWorkerOrder *
find_pid (ParallelServerLink *self,
          int                 pid)
{
  GHashTableIter iter;
  gpointer order;

  g_hash_table_iter_init (&iter, self->orders);
  while (g_hash_table_iter_next (&iter, NULL, &order))
    if (((ParallelWorkerOrder *) order)->pid == pid)
      return order;

  return NULL;
}

static void
end_order (ParallelServerLink  *self,
           ParallelWorkerOrder *order,
           int                  wait_status,
           GError              *error)
{
  g_hash_table_steal (self->orders, GUINT_TO_POINTER (order->number));
  g_queue_remove (&self->unsent, order);
  if (order->funcs == NULL)
    g_clear_error (&error);
  else if (error != NULL)
    order->funcs->failed (order->owner, error);
  else
    order->funcs->exited (order->owner, wait_status);
  order_free (order);
}

static void
start_order (ParallelWorkerOrder *order,
             int                  pid)
{
  order->pid = pid;
  if (order->funcs != NULL)
    order->funcs->started (order->owner, pid);
  else
    kill (pid, SIGKILL);   /* the server does not wait for it before it may */
}

static void
take_packet (ParallelServerLink *self,
             const guint8       *data,
             gsize               size)
{
  guint32 first = size >= 5 ? get_number (data + 1) : 0;
  guint32 second = size == 9 ? get_number (data + 5) : 0;
  ParallelWorkerOrder *order;

  switch (data[0])
    {
    case 'H':
      break;

    case 'S':
      order = g_hash_table_lookup (self->orders, GUINT_TO_POINTER (first));
      if (order != NULL && order->pid == 0 && (int) second > 0)
        start_order (order, (int) second);
      break;

    case 'N':
      order = g_hash_table_lookup (self->orders, GUINT_TO_POINTER (first));
      if (order != NULL)
        end_order (self, order, 0, g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FORK, "The server could not fork a worker: %s",
                                                g_strerror ((int) second)));
      break;

    case 'X':
      order = find_pid (self, (int) first);
      if (order != NULL)
        end_order (self, order, (int) second, NULL);
      release (self, first);
      break;

    default:
      g_debug ("the server %d has sent a packet that begins with %d", self->pid, data[0]);
    }
}

static gboolean
readable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  ParallelServerLink *self = user_data;
  guint8 packet[64];
  gssize n = 0;

  while (self->fd >= 0 && (n = recv (self->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0)
    take_packet (self, packet, n);
  if (self->fd < 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
    return G_SOURCE_CONTINUE;

  /* It has ended, or should. */
  close_socket (self);
  if (!self->exited)
    kill (self->pid, SIGKILL);
  return G_SOURCE_REMOVE;
}

static gboolean
output_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  ParallelServerLink *self = user_data;
  char buffer[4096];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    {
      g_string_append_len (self->said, buffer, n);
      if (self->said->len > MAX_SAID)
        g_string_erase (self->said, 0, self->said->len - MAX_SAID);
      return G_SOURCE_CONTINUE;
    }

  parallel_source_clear (&self->output);   /* it may not be the source that calls this */
  parallel_fd_clear (&self->output_fd);
  return G_SOURCE_REMOVE;
}

/* ---- life ---- */

static GError *
make_ended_error (ParallelServerLink *self,
                  int                 wait_status)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *said = g_utf8_make_valid (self->said->str, self->said->len);
  g_autofree char *how = NULL;

  if (wait_status == PARALLEL_EXIT_LOST || g_spawn_check_wait_status (wait_status, &error))
    how = g_strdup ("");
  else
    how = g_strdup_printf (" (%s)", error->message);

  g_strstrip (said);
  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED, "The server that makes the workers has ended%s%s%s", how,
                      said[0] != '\0' ? ": " : "", said);
}

static void
tell_waiters (ParallelServerLink *self)
{
  GSList *waiters = g_steal_pointer (&self->waiters);

  for (GSList *l = waiters; l != NULL; l = l->next)
    {
      const Waiter *waiter = l->data;

      waiter->func (waiter->user_data);
    }
  g_slist_free_full (waiters, g_free);
}

/* Whoever is told that a worker is gone may want another one at once, and close this link for a new one. */
static void
exited_cb (int      pid,
           int      wait_status,
           gpointer user_data)
{
  ParallelServerLink *self = user_data;
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer order;

  self->exited = TRUE;
  parallel_exec_reports_forget (pid);
  parallel_guardian_remove (pid);
  if (self->reader != NULL)
    readable_cb (self->fd, G_IO_IN, self);
  if (self->output != NULL)
    output_cb (self->output_fd, G_IO_IN, self);
  close_socket (self);

  error = make_ended_error (self, wait_status);
  g_hash_table_iter_init (&iter, self->orders);
  while (g_hash_table_iter_next (&iter, NULL, &order))
    {
      end_order (self, order, PARALLEL_EXIT_LOST,
                 ((ParallelWorkerOrder *) order)->pid == 0 ? g_error_copy (error) : NULL);
      g_hash_table_iter_init (&iter, self->orders);
    }
  tell_waiters (self);

  self->told = TRUE;
  if (self->closed)
    link_free (self);
}

static ParallelServerLink *
link_new (int fd)
{
  ParallelServerLink *self = g_new0 (ParallelServerLink, 1);

  self->fd = fd;
  self->output_fd = -1;
  self->said = g_string_new (NULL);
  self->orders = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) order_free);
  g_queue_init (&self->unsent);
  self->reader = watch (self, fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable_cb);

  return self;
}

ParallelServerLink *
parallel_server_link_new (const char * const  *argv,
                          const char * const  *env,
                          GError             **error)
{
  ParallelSpawnRequest request = { .argv = argv, .env = env, .merge_stderr = TRUE };
  ParallelSpawned spawned;
  ParallelServerLink *self;
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "The server that makes the workers could not be started: %s", g_strerror (errno));
      return NULL;
    }

  request.stdin_fd = fds[1];
  if (!parallel_spawner_spawn (&request, &spawned, error))
    {
      close (fds[0]);
      return NULL;
    }

  self = link_new (fds[0]);
  self->pid = spawned.pid;
  self->subprocess = spawned.subprocess;
  self->mark = spawned.mark;
  self->output_fd = spawned.stdout_fd;
  self->output = watch (self, self->output_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, output_cb);
  parallel_spawner_watch (&spawned, exited_cb, self);

  return self;
}

ParallelServerLink *
parallel_server_link_new_for_fd (int fd,
                                 int pid)
{
  ParallelServerLink *self = link_new (fd);

  self->pid = pid;
  parallel_guardian_add (pid);
  parallel_exit_watch (NULL, pid, exited_cb, self);

  return self;
}

static gboolean
close_overdue_cb (gpointer user_data)
{
  ParallelServerLink *self = user_data;

  g_clear_pointer (&self->timer, g_source_unref);
  if (!self->exited)
    kill (self->pid, SIGKILL);
  return G_SOURCE_REMOVE;
}

void
parallel_server_link_close (ParallelServerLink *self)
{
  if (self->told)
    {
      link_free (self);
      return;
    }

  self->closed = TRUE;
  close_socket (self);
  self->timer = parallel_engine_add_timer (g_get_monotonic_time () + CLOSE_TIME, close_overdue_cb, self);
}

void
parallel_server_link_stop (ParallelServerLink     *self,
                           ParallelServerGoneFunc  func,
                           gpointer                user_data)
{
  Waiter *waiter;

  if (self->exited)
    {
      func (user_data);
      return;
    }

  waiter = g_new (Waiter, 1);
  waiter->func = func;
  waiter->user_data = user_data;
  self->waiters = g_slist_prepend (self->waiters, waiter);
  close_socket (self);
  kill (self->pid, SIGKILL);
}

gboolean
parallel_server_link_has_ended (ParallelServerLink *self)
{
  return self->fd < 0;
}

ParallelWorkerOrder *
parallel_server_link_order (ParallelServerLink              *self,
                            const int                        fds[3],
                            const char                      *mark,
                            const ParallelWorkerOrderFuncs  *funcs,
                            gpointer                         owner,
                            ParallelWorkerServer            *holder)
{
  ParallelWorkerOrder *order = g_new0 (ParallelWorkerOrder, 1);

  order->link = self;
  order->funcs = funcs;
  order->owner = owner;
  order->holder = g_object_ref (holder);
  order->number = ++self->last_number;
  order->mark = g_strdup (mark);
  memcpy (order->fds, fds, sizeof order->fds);
  g_hash_table_insert (self->orders, GUINT_TO_POINTER (order->number), order);
  g_queue_push_tail (&self->unsent, order);
  flush (self);

  return order;
}

void
parallel_server_link_cancel (ParallelWorkerOrder *order)
{
  ParallelServerLink *self = order->link;

  order->funcs = NULL;
  g_clear_object (&order->holder);
  if (g_queue_find (&self->unsent, order) != NULL)
    end_order (self, order, PARALLEL_EXIT_LOST, NULL);
}
