/* parallel-agent-link.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "parallel-agent-io.h"

G_BEGIN_DECLS

/* What the two halves of parallel-glib-agent say to each other: the relay, which a runner starts here in the place of a
 * worker, and the agent proper, which a launcher starts somewhere else and which starts the worker there.
 *
 * Frames, over the standard input and output that the launcher forwards, or a socket that the agent has opened to
 * the relay:
 *
 *   u32 little-endian: how many bytes follow but the last; u8 kind; payload; a newline
 *
 * The newline is for launchers that forward whole lines only. The agent begins what it writes with a line of its own, so
 * that what a shell says in front of it can be told apart. START, HELLO and EXITED have a dictionary as their payload,
 * a{sv} as the text of g_variant_print(), whatever the order of bytes of the two machines.
 *
 * Each side says that it is alive at a fixed interval, however much else it says: a launcher may not notice that the
 * other side has gone. */

#define PARALLEL_AGENT_VERSION 1

/* The line that the agent begins with. */
#define PARALLEL_AGENT_MAGIC "\nparallel-glib-agent 1\n"

/* How much may stand in front of that. */
#define PARALLEL_AGENT_MAX_PREFACE (64 * 1024)

/* The data of one frame, at most. */
#define PARALLEL_AGENT_CHUNK (64 * 1024)

/* START may have a whole environment in it. */
#define PARALLEL_AGENT_MAX_FRAME (16 * 1024 * 1024)

/* Over a socket the agent begins with the first half of the cookie, which came by way of the launcher, and the relay with
 * the second half. */
#define PARALLEL_AGENT_COOKIE_SIZE 16

/* The number of the mark in the worker's output behind which the relay itself speaks: why the worker is lost. */
#define PARALLEL_AGENT_SPEAKS G_MAXUINT64

/* The exit status of a relay that has lost its agent, or has got none: EX_UNAVAILABLE. */
#define PARALLEL_AGENT_EXIT_LOST 69

typedef enum
{
  PARALLEL_AGENT_START = 1,   /* {version u, argv aay, [cwd ay], [environ aay], deadline d,
                               * [address s, cookie ay: both halves]} */
  PARALLEL_AGENT_INPUT,       /* bytes for the worker's standard input */
  PARALLEL_AGENT_END,         /* there will be no more */
  PARALLEL_AGENT_SIGNAL,      /* u8: to be sent to the worker */
  PARALLEL_AGENT_ALIVE,       /* both ways */
  PARALLEL_AGENT_HELLO = 65,  /* {host s, pid u, [job s], [step s]} */
  PARALLEL_AGENT_ANSWERS,     /* from the worker's standard output */
  PARALLEL_AGENT_OUTPUT,      /* from its standard error */
  PARALLEL_AGENT_EXITED       /* {status i}, as of waitpid(), or {failure s}; the last one */
} ParallelAgentKind;

typedef struct _ParallelAgentLink ParallelAgentLink;

typedef struct
{
  /* It may free the link, as all of these may. */
  void (*frame)   (gpointer            owner,
                   ParallelAgentLink  *link,
                   guint               kind,
                   const guint8       *data,
                   gsize               size);
  /* What was sent is written, after it had to wait. */
  void (*drained) (gpointer            owner);
  /* The other side has gone, or speaks nonsense: @why. Nothing more comes. */
  void (*ended)   (gpointer            owner,
                   ParallelAgentLink  *link,
                   const char         *why);
  /* It has gone while it was not listened to; or NULL, if what it has said is to be heard all the same. */
  void (*gone)    (gpointer            owner);
} ParallelAgentLinkFuncs;

/* Takes the descriptors, which may be the same one. @has_magic: the agent's line comes first. */
ParallelAgentLink *parallel_agent_link_new             (int                           in_fd,
                                                        int                           out_fd,
                                                        gboolean                      has_magic,
                                                        const ParallelAgentLinkFuncs *funcs,
                                                        gpointer                      owner);
void               parallel_agent_link_free            (ParallelAgentLink            *self);
void               parallel_agent_link_send            (ParallelAgentLink            *self,
                                                        ParallelAgentKind             kind,
                                                        const void                   *data,
                                                        gsize                         size);
/* Takes a floating reference. */
void               parallel_agent_link_send_dict       (ParallelAgentLink            *self,
                                                        ParallelAgentKind             kind,
                                                        GVariant                     *dict);
void               parallel_agent_link_write_raw       (ParallelAgentLink            *self,
                                                        const char                   *text);
gsize              parallel_agent_link_get_pending     (ParallelAgentLink            *self);
/* The other side is not listened to: this one cannot take more. */
void               parallel_agent_link_set_paused      (ParallelAgentLink            *self,
                                                        gboolean                      paused);
/* When something was last heard, monotonic time; while it is paused, now. */
gint64             parallel_agent_link_get_heard       (ParallelAgentLink            *self);
/* Hears what has come already. The frame function must not free the link then. */
void               parallel_agent_link_drain           (ParallelAgentLink            *self);
/* The beginning of what stands in front of the agent's line, which has not come yet; NULL: nothing. */
char              *parallel_agent_link_dup_preface     (ParallelAgentLink            *self);
/* The other side has gone, rather than that it speaks nonsense. */
gboolean           parallel_agent_link_has_ended       (ParallelAgentLink            *self);
/* Nothing more will be sent. */
void               parallel_agent_link_close           (ParallelAgentLink            *self);

GVariant          *parallel_agent_parse_dict           (const guint8                 *data,
                                                        gsize                         size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelAgentLink, parallel_agent_link_free)

G_END_DECLS
