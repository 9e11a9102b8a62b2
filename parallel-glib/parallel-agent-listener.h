/* parallel-agent-listener.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Where a relay waits for a connection of its agent's own; see parallel-agent-link.h. Engine thread only. */
typedef struct _ParallelAgentListener ParallelAgentListener;

/* Takes @fd, over which the cookies were exchanged. */
typedef void (*ParallelAgentListenerFunc) (int fd);

/* @cookie: both halves, which stay as long as this. NULL where it cannot be listened at @address; it may take a moment to
 * find that out. */
ParallelAgentListener *parallel_agent_listener_new         (const char                *address,
                                                            const guint8              *cookie,
                                                            ParallelAgentListenerFunc  func);
void                   parallel_agent_listener_free        (ParallelAgentListener     *self);
/* "address:port". */
const char            *parallel_agent_listener_get_address (ParallelAgentListener     *self);

G_END_DECLS
