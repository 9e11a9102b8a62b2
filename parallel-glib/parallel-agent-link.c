/* parallel-agent-link.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-link.h"

#include <string.h>

#include "parallel-fd.h"

#define HEAD_SIZE 5

/* Of what is shown of a preface that is no agent's. */
#define MAX_SHOWN 200

struct _ParallelAgentLink
{
  const ParallelAgentLinkFuncs *funcs;
  gpointer             owner;
  ParallelAgentReader *reader;
  ParallelAgentWriter *writer;
  GByteArray          *received;      /* not yet a whole frame */
  gboolean             has_magic;     /* it is still to come */
  gint64               heard;
  gboolean            *freed;         /* of the frames that are being given out */
  gboolean             is_over;       /* nothing more is heard */
  gboolean             has_ended;     /* as the other side has gone */
};

char *
parallel_agent_link_dup_preface (ParallelAgentLink *self)
{
  g_autofree char *start = NULL;
  g_autofree char *text = NULL;

  if (!self->has_magic || self->received->len == 0)
    return NULL;

  start = g_strndup ((const char *) self->received->data, MIN (self->received->len, MAX_SHOWN));
  text = g_utf8_make_valid (start, -1);
  return g_strdup (g_strstrip (text));
}

static void
end (ParallelAgentLink *self,
     const char        *why)
{
  if (self->is_over)
    return;

  self->is_over = TRUE;
  parallel_agent_reader_set_paused (self->reader, TRUE);
  self->funcs->ended (self->owner, self, why);
}

/* FALSE as long as it has not come. */
static gboolean
skip_preface (ParallelAgentLink *self)
{
  const guint8 *found = memmem (self->received->data, self->received->len, PARALLEL_AGENT_MAGIC,
                                strlen (PARALLEL_AGENT_MAGIC));
  g_autofree char *shown = NULL;
  g_autofree char *why = NULL;

  if (found != NULL)
    {
      g_byte_array_remove_range (self->received, 0,
                                 found - self->received->data + strlen (PARALLEL_AGENT_MAGIC));
      self->has_magic = FALSE;
      return TRUE;
    }
  if (self->received->len <= PARALLEL_AGENT_MAX_PREFACE)
    return FALSE;

  shown = parallel_agent_link_dup_preface (self);
  why = g_strdup_printf ("what came is not from parallel-glib-agent: “%s”", shown);
  end (self, why);
  return FALSE;
}

/* Gives out what is complete. */
static void
take_frames (ParallelAgentLink *self)
{
  gboolean freed = FALSE;
  gsize at = 0;

  self->freed = &freed;
  while (self->received->len - at >= HEAD_SIZE)
    {
      guint32 length;

      memcpy (&length, self->received->data + at, sizeof length);
      length = GUINT32_FROM_LE (length);
      if (length == 0 || length > PARALLEL_AGENT_MAX_FRAME)
        {
          self->freed = NULL;
          end (self, "it has sent a frame of an impossible length");
          return;
        }
      if (self->received->len - at < sizeof length + length + 1)
        break;
      if (self->received->data[at + sizeof length + length] != '\n')
        {
          self->freed = NULL;
          end (self, "it has sent a frame that does not end where it should");
          return;
        }

      self->funcs->frame (self->owner, self, self->received->data[at + 4], self->received->data + at + HEAD_SIZE,
                          length - 1);
      if (freed)
        return;
      at += sizeof length + length + 1;
    }
  self->freed = NULL;
  if (at > 0)
    g_byte_array_remove_range (self->received, 0, at);
}

static void
data_cb (gpointer      owner,
         const guint8 *data,
         gsize         size)
{
  ParallelAgentLink *self = owner;

  if (self->is_over)
    return;

  self->heard = g_get_monotonic_time ();
  g_byte_array_append (self->received, data, size);
  if (!self->has_magic || skip_preface (self))
    take_frames (self);
}

static void
ended_cb (gpointer owner)
{
  ParallelAgentLink *self = owner;

  self->has_ended = TRUE;
  end (self, "it has ended");
}

static void
gone_cb (gpointer owner)
{
  ParallelAgentLink *self = owner;

  if (!self->is_over)
    self->funcs->gone (self->owner);
}

static void
drained_cb (gpointer owner)
{
  ParallelAgentLink *self = owner;

  self->funcs->drained (self->owner);
}

/* The end is told by the reader. */
static void
broken_cb (gpointer owner)
{
}

static const ParallelAgentReaderFuncs reader_funcs = { .data = data_cb, .ended = ended_cb };
static const ParallelAgentReaderFuncs watchful_funcs = { .data = data_cb, .ended = ended_cb, .gone = gone_cb };
static const ParallelAgentWriterFuncs writer_funcs = { .drained = drained_cb, .broken = broken_cb };

ParallelAgentLink *
parallel_agent_link_new (int                           in_fd,
                         int                           out_fd,
                         gboolean                      has_magic,
                         const ParallelAgentLinkFuncs *funcs,
                         gpointer                      owner)
{
  ParallelAgentLink *self = g_new0 (ParallelAgentLink, 1);

  self->funcs = funcs;
  self->owner = owner;
  self->has_magic = has_magic;
  self->received = g_byte_array_new ();
  self->heard = g_get_monotonic_time ();
  self->writer = parallel_agent_writer_new (in_fd == out_fd ? parallel_fd_duplicate (out_fd) : out_fd, &writer_funcs,
                                            self);
  self->reader = parallel_agent_reader_new (in_fd, funcs->gone != NULL ? &watchful_funcs : &reader_funcs, self);

  return self;
}

void
parallel_agent_link_free (ParallelAgentLink *self)
{
  if (self->freed != NULL)
    *self->freed = TRUE;
  parallel_agent_reader_free (self->reader);
  parallel_agent_writer_free (self->writer);
  g_byte_array_unref (self->received);
  g_free (self);
}

void
parallel_agent_link_send (ParallelAgentLink *self,
                          ParallelAgentKind  kind,
                          const void        *data,
                          gsize              size)
{
  guint8 head[HEAD_SIZE] = { 0, 0, 0, 0, kind };
  guint32 length = GUINT32_TO_LE ((guint32) size + 1);
  g_autoptr (GByteArray) frame = g_byte_array_sized_new (HEAD_SIZE + size + 1);

  memcpy (head, &length, sizeof length);
  g_byte_array_append (frame, head, sizeof head);
  g_byte_array_append (frame, data, size);
  g_byte_array_append (frame, (const guint8 *) "\n", 1);
  parallel_agent_writer_write (self->writer, frame->data, frame->len);
}

void
parallel_agent_link_send_dict (ParallelAgentLink *self,
                               ParallelAgentKind  kind,
                               GVariant          *dict)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (dict);
  g_autofree char *text = g_variant_print (owned, TRUE);

  parallel_agent_link_send (self, kind, text, strlen (text));
}

void
parallel_agent_link_write_raw (ParallelAgentLink *self,
                               const char        *text)
{
  parallel_agent_writer_write (self->writer, text, strlen (text));
}

gsize
parallel_agent_link_get_pending (ParallelAgentLink *self)
{
  return parallel_agent_writer_get_pending (self->writer);
}

void
parallel_agent_link_set_paused (ParallelAgentLink *self,
                                gboolean           paused)
{
  if (self->is_over)
    return;

  if (!paused && parallel_agent_reader_is_paused (self->reader))
    self->heard = g_get_monotonic_time ();
  parallel_agent_reader_set_paused (self->reader, paused);
}

gint64
parallel_agent_link_get_heard (ParallelAgentLink *self)
{
  return parallel_agent_reader_is_paused (self->reader) ? g_get_monotonic_time () : self->heard;
}

gboolean
parallel_agent_link_has_ended (ParallelAgentLink *self)
{
  return self->has_ended;
}

void
parallel_agent_link_drain (ParallelAgentLink *self)
{
  parallel_agent_reader_drain (self->reader);
}

void
parallel_agent_link_close (ParallelAgentLink *self)
{
  parallel_agent_writer_close (self->writer);
}

GVariant *
parallel_agent_parse_dict (const guint8 *data,
                           gsize         size)
{
  return g_variant_parse (G_VARIANT_TYPE_VARDICT, (const char *) data, (const char *) data + size, NULL, NULL);
}
