/* parallel-agent-listener.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "parallel-agent-link.h"
#include "parallel-engine.h"
#include "parallel-fd.h"

/* Who may be about to show their cookies at a time. */
#define MAX_CALLERS 16

struct _ParallelAgentListener
{
  const guint8              *cookie;
  ParallelAgentListenerFunc  func;
  char                      *address;
  int                        fd;
  GSource                   *source;
  GPtrArray                 *callers;   /* of Caller */
  gboolean                   is_done;   /* the agent has come */
};

typedef struct
{
  ParallelAgentListener *listener;
  GSource               *source;
  int                    fd;
  guint8                 cookie[PARALLEL_AGENT_COOKIE_SIZE];
  gsize                  n_read;
} Caller;

static GSource *
watch (int               fd,
       GUnixFDSourceFunc func,
       gpointer          user_data)
{
  GSource *source = g_unix_fd_source_new (fd, G_IO_IN | G_IO_HUP | G_IO_ERR);

  g_source_set_static_name (source, "[parallel] agent");
  g_source_set_callback (source, G_SOURCE_FUNC (func), user_data, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());

  return source;
}

/* ---- those who call ---- */

static void
caller_free (gpointer data)
{
  Caller *caller = data;

  parallel_source_clear (&caller->source);
  parallel_fd_clear (&caller->fd);
  g_free (caller);
}

static gboolean
has_cookie (const Caller *caller)
{
  guint8 differs = 0;

  for (gsize i = 0; i < sizeof caller->cookie; i++)
    differs |= caller->cookie[i] ^ caller->listener->cookie[i];

  return differs == 0;
}

/* It is the agent: lets it see the other half. */
static void
welcome (ParallelAgentListener *self,
         Caller                *caller)
{
  int fd = g_steal_fd (&caller->fd);
  int one = 1;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (send (fd, self->cookie + sizeof caller->cookie, sizeof caller->cookie, MSG_NOSIGNAL) != sizeof caller->cookie)
    {
      close (fd);
      return;
    }

  self->is_done = TRUE;
  self->func (fd);
}

static gboolean
caller_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  Caller *caller = user_data;
  ParallelAgentListener *self = caller->listener;
  gssize n = recv (fd, caller->cookie + caller->n_read, sizeof caller->cookie - caller->n_read, 0);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  caller->n_read += MAX (n, 0);
  if (n > 0 && caller->n_read < sizeof caller->cookie)
    return G_SOURCE_CONTINUE;

  if (n > 0 && !self->is_done && has_cookie (caller))
    welcome (self, caller);
  g_ptr_array_remove (self->callers, caller);   /* if a stranger, the agent may still come */
  return G_SOURCE_CONTINUE;
}

/* Whoever is silent for longest makes room, so that strangers do not keep the agent out. */
static gboolean
called_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  ParallelAgentListener *self = user_data;
  int caller_fd = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  Caller *caller;

  if (caller_fd < 0)
    return G_SOURCE_CONTINUE;

  if (self->callers->len == MAX_CALLERS)
    g_ptr_array_remove_index (self->callers, 0);
  caller = g_new0 (Caller, 1);
  caller->listener = self;
  caller->fd = caller_fd;
  caller->source = watch (caller_fd, caller_cb, caller);
  g_ptr_array_add (self->callers, caller);
  return G_SOURCE_CONTINUE;
}

/* ---- where ---- */

/* Nothing else waits yet. */
static GInetAddress *
resolve (const char *address)
{
  g_autoptr (GResolver) resolver = NULL;
  GInetAddress *inet = g_inet_address_new_from_string (address);
  GList *found;

  if (inet != NULL)
    return inet;

  resolver = g_resolver_get_default ();
  found = g_resolver_lookup_by_name (resolver, address, NULL, NULL);
  if (found != NULL)
    inet = g_object_ref (found->data);
  g_resolver_free_addresses (found);
  return inet;
}

static char *
describe (GInetAddress                  *inet,
          const struct sockaddr_storage *native,
          socklen_t                      size)
{
  g_autoptr (GSocketAddress) address = g_socket_address_new_from_native ((gpointer) native, size);
  g_autofree char *text = g_inet_address_to_string (inet);
  guint port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));

  return g_inet_address_get_family (inet) == G_SOCKET_FAMILY_IPV6 ? g_strdup_printf ("[%s]:%u", text, port)
                                                                  : g_strdup_printf ("%s:%u", text, port);
}

ParallelAgentListener *
parallel_agent_listener_new (const char                *address,
                             const guint8              *cookie,
                             ParallelAgentListenerFunc  func)
{
  g_autoptr (GInetAddress) inet = resolve (address);
  g_autoptr (GSocketAddress) wanted = inet != NULL ? g_inet_socket_address_new (inet, 0) : NULL;
  struct sockaddr_storage native;
  socklen_t size = sizeof native;
  ParallelAgentListener *self;
  int fd;

  if (wanted == NULL || !g_socket_address_to_native (wanted, &native, sizeof native, NULL))
    return NULL;
  fd = socket (g_socket_address_get_family (wanted), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return NULL;
  if (bind (fd, (struct sockaddr *) &native, g_socket_address_get_native_size (wanted)) != 0 ||
      listen (fd, MAX_CALLERS) != 0 || getsockname (fd, (struct sockaddr *) &native, &size) != 0)
    {
      close (fd);
      return NULL;
    }

  self = g_new0 (ParallelAgentListener, 1);
  self->cookie = cookie;
  self->func = func;
  self->fd = fd;
  self->address = describe (inet, &native, size);
  self->callers = g_ptr_array_new_with_free_func (caller_free);
  self->source = watch (fd, called_cb, self);

  return self;
}

void
parallel_agent_listener_free (ParallelAgentListener *self)
{
  parallel_source_clear (&self->source);
  parallel_fd_clear (&self->fd);
  g_ptr_array_unref (self->callers);
  g_free (self->address);
  g_free (self);
}

const char *
parallel_agent_listener_get_address (ParallelAgentListener *self)
{
  return self->address;
}
