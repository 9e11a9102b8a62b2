/* parallel-frame.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-frame.h"

#include <gio/gio.h>
#include <string.h>

#define LENGTH_SIZE 4
#define HEAD_SIZE   5               /* the length and the kind */

/* What is read at once where no frame is known to need more. */
#define CHUNK       (64 * 1024)
/* From this size on a payload takes the buffer with it rather than being copied out of it, if the frame is the
 * last thing there. */
#define BIG         (CHUNK / 4)

/* ---- the reader ---- */

/* The bytes from start to end have come and are not taken yet; they begin with a frame. The buffer is larger
 * than CHUNK only while it has the beginning of a frame that is too, which takes it along when it is complete. */
struct _ParallelFrameReader
{
  guint8   *buffer;
  gsize     capacity;
  gsize     start;
  gsize     end;
  gsize     limit;
  gboolean  failed;
};

ParallelFrameReader *
parallel_frame_reader_new (guint32 limit)
{
  ParallelFrameReader *self = g_new0 (ParallelFrameReader, 1);

  parallel_frame_reader_set_limit (self, limit);

  return self;
}

void
parallel_frame_reader_free (ParallelFrameReader *self)
{
  g_free (self->buffer);
  g_free (self);
}

/* A gsize must count a whole frame and what stands before it, also where it has no more bits than a length. */
void
parallel_frame_reader_set_limit (ParallelFrameReader *self,
                                 guint32              limit)
{
  guint64 highest = G_MAXSSIZE - CHUNK;

  self->limit = MIN (limit, highest);
}

gsize
parallel_frame_reader_get_pending (ParallelFrameReader *self)
{
  return self->end - self->start;
}

/* What the first frame's length promises, of which nothing may be true. */
static gboolean
peek_length (ParallelFrameReader *self,
             gsize               *length)
{
  guint32 value;

  if (self->end - self->start < LENGTH_SIZE)
    return FALSE;

  memcpy (&value, self->buffer + self->start, sizeof value);
  *length = GUINT32_FROM_LE (value);

  return TRUE;
}

/* A GVariant copies what is not aligned for it, so a big frame is put where its data will be. */
static gsize
find_best_start (ParallelFrameReader *self)
{
  gsize before = HEAD_SIZE;

  if (self->end - self->start < HEAD_SIZE)
    return 0;

  switch (self->buffer[self->start + LENGTH_SIZE])
    {
    case PARALLEL_FRAME_RUN:
      before += PARALLEL_FRAME_REQUEST_HEAD;
      break;
    case PARALLEL_FRAME_RESULT:
      before += sizeof (guint64) + 1;
      break;
    case PARALLEL_FRAME_SET_UP:
    case PARALLEL_FRAME_LEFT:
      before += 1;
      break;
    default:
      break;
    }

  return (8 - before % 8) % 8;
}

static void
move_to (ParallelFrameReader *self,
         gsize                start)
{
  gsize pending = self->end - self->start;

  memmove (self->buffer + start, self->buffer + self->start, pending);
  self->start = start;
  self->end = start + pending;
}

/* The buffer is full, of a part of a frame with @wanted bytes. It is doubled, so that there is never more of it
 * than twice of what has come. */
static void
grow (ParallelFrameReader *self,
      gsize                wanted)
{
  gsize best = find_best_start (self);

  if (self->start > best)
    move_to (self, best);
  if (self->end < self->capacity)
    return;

  self->capacity = MIN (2 * self->capacity, best + wanted);
  self->buffer = g_realloc (self->buffer, self->capacity);
  if (self->start < best)
    move_to (self, best);
}

guint8 *
parallel_frame_reader_reserve (ParallelFrameReader *self,
                               gsize               *room)
{
  gsize length;

  if (self->buffer == NULL)
    {
      self->capacity = CHUNK;
      self->buffer = g_malloc (CHUNK);
    }
  if (self->start == self->end)
    self->start = self->end = 0;

  if (peek_length (self, &length) && length <= self->limit && length > CHUNK / 2
      && self->end - self->start < LENGTH_SIZE + length)
    {
      if (self->end == self->capacity)
        grow (self, LENGTH_SIZE + length);
      /* What comes after a frame that takes the buffer along would have to be copied out of it. */
      *room = MIN (self->capacity, self->start + LENGTH_SIZE + length) - self->end;
      return self->buffer + self->end;
    }
  /* At most once for each half of the buffer, not for each frame. */
  if (self->end > CHUNK / 2 && self->start > 0)
    move_to (self, 0);

  /* Only who reserves without taking what is there, or after a failure, comes here with a full buffer. */
  if (self->end == self->capacity)
    {
      self->capacity *= 2;
      self->buffer = g_realloc (self->buffer, self->capacity);
    }
  *room = self->capacity - self->end;

  return self->buffer + self->end;
}

void
parallel_frame_reader_commit (ParallelFrameReader *self,
                              gsize                n_bytes)
{
  g_assert (n_bytes <= self->capacity - self->end);

  self->end += n_bytes;
}

static void
fail (ParallelFrameReader  *self,
      gsize                 length,
      GError              **error)
{
  self->failed = TRUE;
  if (length == 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "A frame of length 0");
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                 "A frame of %" G_GSIZE_FORMAT " bytes, where %" G_GSIZE_FORMAT " are the limit",
                 length, self->limit);
}

/* The buffer goes with the payload; what comes after it is at most a chunk. */
static GBytes *
take_buffer (ParallelFrameReader *self,
             gsize                length)
{
  guint8 *old = g_steal_pointer (&self->buffer);
  gsize frame_end = self->start + LENGTH_SIZE + length;
  gsize rest = self->end - frame_end;
  GBytes *payload;

  self->capacity = 0;
  if (rest > 0)
    {
      self->capacity = MAX (CHUNK, rest);
      self->buffer = g_malloc (self->capacity);
      memcpy (self->buffer, old + frame_end, rest);
    }
  payload = g_bytes_new_with_free_func (old + self->start + HEAD_SIZE, length - 1, g_free, old);
  self->start = 0;
  self->end = rest;

  return payload;
}

GBytes *
parallel_frame_reader_take (ParallelFrameReader  *self,
                            guint                *kind,
                            GError              **error)
{
  gsize length;
  GBytes *payload;

  if (!peek_length (self, &length))
    return NULL;
  if (self->failed || length == 0 || length > self->limit)
    {
      fail (self, length, error);
      return NULL;
    }
  if (self->end - self->start - LENGTH_SIZE < length)
    return NULL;

  *kind = self->buffer[self->start + LENGTH_SIZE];
  if (length > CHUNK || (length >= BIG && self->start + LENGTH_SIZE + length == self->end))
    return take_buffer (self, length);

  payload = g_bytes_new (self->buffer + self->start + HEAD_SIZE, length - 1);
  self->start += LENGTH_SIZE + length;

  return payload;
}

/* ---- marks ---- */

/* How many of the @size bytes at the end of @data could be the beginning of a token. */
static gsize
count_possible (const ParallelMarkFinder *self,
                const guint8             *data,
                gsize                     size)
{
  for (gsize n = MIN (size, PARALLEL_FRAME_TOKEN_SIZE - 1); n > 0; n--)
    if (memcmp (data + size - n, self->token, n) == 0)
      return n;

  return 0;
}

static guint64
read_serial (const guint8 *mark)
{
  guint64 serial;

  memcpy (&serial, mark + PARALLEL_FRAME_TOKEN_SIZE, sizeof serial);

  return GUINT64_FROM_LE (serial);
}

/* Goes on with what is held until nothing is, and returns how much of @data it took for that. */
static gsize
feed_held (ParallelMarkFinder   *self,
           const guint8         *data,
           gsize                 size,
           ParallelMarkDataFunc  plain,
           ParallelMarkFunc      mark,
           gpointer              user_data)
{
  gsize used = 0;

  while (self->n_held > 0 && used < size)
    {
      gsize n = MIN (PARALLEL_FRAME_MARK_SIZE - self->n_held, size - used);
      gsize total = self->n_held + n;
      gsize kept;

      memcpy (self->held + self->n_held, data + used, n);
      if (memcmp (self->held, self->token, MIN (total, PARALLEL_FRAME_TOKEN_SIZE)) == 0)
        {
          self->n_held = total % PARALLEL_FRAME_MARK_SIZE;
          used += n;
          if (self->n_held == 0)
            mark (read_serial (self->held), user_data);
          continue;
        }

      /* Not that one; perhaps one that begins later in what was held. */
      kept = count_possible (self, self->held + 1, self->n_held - 1);
      plain (self->held, self->n_held - kept, user_data);
      memmove (self->held, self->held + self->n_held - kept, kept);
      self->n_held = kept;
    }

  return used;
}

void
parallel_mark_finder_feed (ParallelMarkFinder   *self,
                           const guint8         *data,
                           gsize                 size,
                           ParallelMarkDataFunc  plain,
                           ParallelMarkFunc      mark,
                           gpointer              user_data)
{
  gsize offset = feed_held (self, data, size, plain, mark, user_data);

  while (offset < size)
    {
      const guint8 *rest = data + offset;
      gsize n_rest = size - offset;
      const guint8 *found = memmem (rest, n_rest, self->token, PARALLEL_FRAME_TOKEN_SIZE);
      gsize n_plain = found != NULL ? (gsize) (found - rest) : n_rest - count_possible (self, rest, n_rest);

      if (n_plain > 0)
        plain (rest, n_plain, user_data);
      if (found == NULL || n_rest - n_plain < PARALLEL_FRAME_MARK_SIZE)
        {
          self->n_held = n_rest - n_plain;
          memcpy (self->held, rest + n_plain, self->n_held);
          return;
        }

      mark (read_serial (found), user_data);
      offset += n_plain + PARALLEL_FRAME_MARK_SIZE;
    }
}

void
parallel_mark_finder_end (ParallelMarkFinder   *self,
                          ParallelMarkDataFunc  plain,
                          gpointer              user_data)
{
  gsize n_held = self->n_held;

  self->n_held = 0;
  if (n_held > 0)
    plain (self->held, n_held, user_data);
}
