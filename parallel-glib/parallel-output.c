/* parallel-output.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "parallel-output-stream.h"
#include "parallel-run-error.h"

/* NOTES:
 *
 * The bytes lie in two regions. The head takes everything up to the limit, or under KEEP_ENDS up to
 * half of it. What follows goes round in the ring, which is RING_SLACK larger than the half that is
 * kept, and no single write into it is larger than that slack. So a write that is under way never
 * touches the last bytes that count, and the mutex need not be held during any write: a reader that
 * holds it keeps the writer from beginning the next one.
 *
 * The n-th extent of a region always has the same size, 4 KiB doubled n times up to 4 MiB, so
 * that a region is an array of offsets and the extent of a position a matter of arithmetic. */

#define RING_SLACK (64 * 1024)
#define PIPE_SIZE (256 * 1024)
#define MARKER_SIZE 64

struct _ParallelOutput
{
  /* Constant after construction. */
  ParallelSpool             *spool;
  guint64                    limit;
  ParallelOutputLimitPolicy  policy;

  /* Guarded by mutex. */
  GMutex                     mutex;
  gboolean                   closed;

  /* Changed by the writer alone, with the mutex: the writer reads them without it, all others
   * with it. */
  guint64                    written;
  GArray                    *head;      /* of goffset, NULL until something is in it */
  GArray                    *ring;      /* as head */
};

/* A piece of the output that is in one place. */
typedef struct
{
  goffset offset;               /* in the spool, or -1: in the marker */
  gsize   length;
  char    marker[MARKER_SIZE];
  gsize   marker_offset;
} Run;

static gboolean
keeps_ends (ParallelOutput *self)
{
  return self->limit > 0 && self->policy == PARALLEL_OUTPUT_LIMIT_KEEP_ENDS;
}

static guint64
get_head_size (ParallelOutput *self)
{
  if (self->limit == 0)
    return G_MAXUINT64;

  return keeps_ends (self) ? self->limit / 2 : self->limit;
}

/* The other half, and never 0. */
static guint64
get_tail_size (ParallelOutput *self)
{
  return self->limit - self->limit / 2;
}

static guint64
get_ring_size (ParallelOutput *self)
{
  return get_tail_size (self) + RING_SLACK;
}

static gboolean
is_cut_locked (ParallelOutput *self)
{
  return keeps_ends (self) && self->written > self->limit;
}

static gsize
format_marker_locked (ParallelOutput *self,
                      char           *marker)
{
  return g_snprintf (marker, MARKER_SIZE, "\n[... %" G_GUINT64_FORMAT " bytes left out ...]\n",
                     self->written - self->limit);
}

/* How long the output is if nothing more is written. */
static guint64
get_final_size_locked (ParallelOutput *self)
{
  char marker[MARKER_SIZE];

  if (is_cut_locked (self))
    return self->limit + format_marker_locked (self, marker);

  return keeps_ends (self) ? self->written : MIN (self->written, get_head_size (self));
}

static guint64
get_size_locked (ParallelOutput *self)
{
  if (self->closed)
    return get_final_size_locked (self);

  /* Under KEEP_ENDS this hides the second half even while the limit is not exceeded: if it will
   * be, other bytes come to stand in this place, and what could be read once must not change. */
  return MIN (self->written, get_head_size (self));
}

/* The extent that holds @position of a region: its number, where it begins, its size. */
static guint
find_extent (guint64  position,
             guint64 *start,
             gsize   *size)
{
  const guint64 ratio = PARALLEL_SPOOL_MAX_EXTENT / PARALLEL_SPOOL_MIN_EXTENT;
  const guint n_growing = g_bit_nth_msf (ratio, -1);
  const guint64 growing = (ratio - 1) * PARALLEL_SPOOL_MIN_EXTENT;
  guint n;

  if (position < growing)
    {
      n = g_bit_nth_msf (position / PARALLEL_SPOOL_MIN_EXTENT + 1, -1);
      *size = (gsize) PARALLEL_SPOOL_MIN_EXTENT << n;
      *start = *size - PARALLEL_SPOOL_MIN_EXTENT;
    }
  else
    {
      n = (position - growing) / PARALLEL_SPOOL_MAX_EXTENT;
      *size = PARALLEL_SPOOL_MAX_EXTENT;
      *start = growing + (guint64) n * PARALLEL_SPOOL_MAX_EXTENT;
      n += n_growing;
    }

  return n;
}

static gboolean
add_extent (ParallelOutput  *self,
            GArray         **region,
            gsize            size,
            GError         **error)
{
  ParallelExtent extent;

  if (!parallel_spool_allocate (self->spool, size, &extent, error))
    return FALSE;

  g_assert (extent.size == size);

  g_mutex_lock (&self->mutex);
  if (*region == NULL)
    *region = g_array_new (FALSE, FALSE, sizeof (goffset));
  g_array_append_val (*region, extent.offset);
  g_mutex_unlock (&self->mutex);

  return TRUE;
}

/* Where the byte number @position of all that was written is or will be; @run goes on from there
 * as far as it does in the file. Returns the region; when the extent is not there yet, the
 * offset is -1 and the length the extent's size. */
static GArray **
find_place (ParallelOutput *self,
            guint64         position,
            Run            *run)
{
  guint64 head_size = get_head_size (self);
  GArray **region = position < head_size ? &self->head : &self->ring;
  guint64 end = head_size;
  guint64 start;
  gsize size;
  guint n;

  if (region == &self->ring)
    {
      end = get_ring_size (self);
      position = (position - head_size) % end;
    }

  n = find_extent (position, &start, &size);
  if (*region == NULL || n >= (*region)->len)
    {
      run->offset = -1;
      run->length = size;
    }
  else
    {
      run->offset = g_array_index (*region, goffset, n) + (position - start);
      run->length = MIN (end - position, size - (position - start));
    }

  return region;
}

/* The writer's: where the next bytes go, and how many at once. */
static gboolean
find_room (ParallelOutput  *self,
           Run             *run,
           GError         **error)
{
  GArray **region = find_place (self, self->written, run);

  if (run->offset == -1)
    {
      if (!add_extent (self, region, run->length, error))
        return FALSE;

      find_place (self, self->written, run);
    }

  if (region == &self->ring)
    run->length = MIN (run->length, RING_SLACK);

  return TRUE;
}

static gboolean
check_open_locked (ParallelOutput  *self,
                   GError         **error)
{
  if (self->closed)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The output is closed");
      return FALSE;
    }

  return TRUE;
}

static gboolean
check_open (ParallelOutput  *self,
            GError         **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return check_open_locked (self, error);
}

/* An output can be closed under its writer: by the end of a step one of whose threads still writes.
 * What is not counted by then was never written, and has not touched what counts. */
static gboolean
add_written (ParallelOutput  *self,
             guint64          n,
             GError         **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (!check_open_locked (self, error))
    return FALSE;

  self->written += n;

  return TRUE;
}

/* Whether the limit is reached and what comes must be refused. */
static gboolean
is_full (ParallelOutput *self)
{
  return !keeps_ends (self) && self->written >= get_head_size (self);
}

static void
refuse (ParallelOutput  *self,
        gsize            length,
        GError         **error)
{
  if (!add_written (self, length, error))
    return;

  g_set_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_OUTPUT_LIMIT,
               "The output is longer than its limit of %" G_GUINT64_FORMAT " bytes", self->limit);
}

/* What is at @offset of the readable output, be it final or not. */
static void
find_run_locked (ParallelOutput *self,
                 guint64         offset,
                 Run            *run)
{
  guint64 head_size = get_head_size (self);

  if (offset >= head_size && is_cut_locked (self))
    {
      gsize marker_size = format_marker_locked (self, run->marker);

      if (offset - head_size < marker_size)
        {
          run->offset = -1;
          run->marker_offset = offset - head_size;
          run->length = marker_size - run->marker_offset;
          return;
        }

      /* Counted from the first byte written. */
      offset += self->written - self->limit - marker_size;
    }

  find_place (self, offset, run);
  g_assert (run->offset != -1);
}

/* Reads what get_size_locked() or, if @locked, get_final_size_locked() said is there. */
static gboolean
read_range (ParallelOutput  *self,
            guint64          offset,
            char            *buffer,
            gsize            length,
            gboolean         locked,
            GError         **error)
{
  while (length > 0)
    {
      Run run;

      if (!locked)
        g_mutex_lock (&self->mutex);
      find_run_locked (self, offset, &run);
      if (!locked)
        g_mutex_unlock (&self->mutex);

      run.length = MIN (run.length, length);

      if (run.offset == -1)
        memcpy (buffer, run.marker + run.marker_offset, run.length);
      else if (!parallel_spool_read (self->spool, run.offset, buffer, run.length, error))
        return FALSE;

      offset += run.length;
      buffer += run.length;
      length -= run.length;
    }

  return TRUE;
}

static void
free_region (ParallelOutput *self,
             GArray         *region)
{
  guint64 position = 0;

  for (guint i = 0; region != NULL && i < region->len; i++)
    {
      ParallelExtent extent = { g_array_index (region, goffset, i), 0 };
      guint64 start;

      find_extent (position, &start, &extent.size);
      parallel_spool_free (self->spool, &extent);
      position += extent.size;
    }

  g_clear_pointer (&region, g_array_unref);
}

static void
parallel_output_clear (ParallelOutput *self)
{
  free_region (self, g_steal_pointer (&self->head));
  free_region (self, g_steal_pointer (&self->ring));
  g_clear_pointer (&self->spool, parallel_spool_unref);
  g_mutex_clear (&self->mutex);
}

ParallelOutput *
parallel_output_new (ParallelSpool             *spool,
                     guint64                    limit,
                     ParallelOutputLimitPolicy  policy)
{
  ParallelOutput *self;

  g_return_val_if_fail (spool != NULL, NULL);

  self = g_atomic_rc_box_new0 (ParallelOutput);
  self->spool = parallel_spool_ref (spool);
  self->limit = limit;
  self->policy = policy;
  g_mutex_init (&self->mutex);

  return self;
}

ParallelOutput *
parallel_output_ref (ParallelOutput *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_atomic_rc_box_acquire (self);
}

void
parallel_output_unref (ParallelOutput *self)
{
  g_return_if_fail (self != NULL);

  g_atomic_rc_box_release_full (self, (GDestroyNotify) parallel_output_clear);
}

gboolean
parallel_output_append (ParallelOutput  *self,
                        const void      *data,
                        gsize            length,
                        GError         **error)
{
  const char *next = data;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (data != NULL || length == 0, FALSE);

  if (!check_open (self, error))
    return FALSE;

  while (length > 0)
    {
      Run run;

      if (is_full (self))
        {
          refuse (self, length, error);
          return FALSE;
        }

      if (!find_room (self, &run, error))
        return FALSE;

      run.length = MIN (run.length, length);
      if (!parallel_spool_write (self->spool, run.offset, next, run.length, error))
        return FALSE;

      if (!add_written (self, run.length, error))
        return FALSE;

      next += run.length;
      length -= run.length;
    }

  return TRUE;
}

/* Whether nothing can be read from @fd now; then @res is what to return, with its @error. */
static gboolean
is_empty_pipe (int       fd,
               gssize   *res,
               GError  **error)
{
  struct pollfd poll_fd = { fd, POLLIN, 0 };
  int n;

  do
    n = poll (&poll_fd, 1, 0);
  while (n == -1 && errno == EINTR);

  /* Anything unusual is left to the read, which can say what it is. */
  if (n == -1 || (poll_fd.revents & ~POLLHUP) != 0)
    return FALSE;

  *res = 0;
  if (poll_fd.revents == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, g_strerror (EAGAIN));
      *res = -1;
    }

  return TRUE;
}

/* At the limit, only the next byte tells an output that ends there from one that is too long. */
static gssize
refuse_pipe (ParallelOutput  *self,
             int              fd,
             GError         **error)
{
  char buffer[4096];
  gssize n;

  do
    n = read (fd, buffer, sizeof buffer);
  while (n == -1 && errno == EINTR);

  if (n > 0)
    {
      refuse (self, n, error);
      return -1;
    }

  if (n == -1)
    {
      int errsv = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errsv),
                   "Could not read from the pipe: %s", g_strerror (errsv));
    }

  return n;
}

/* One piece of it: what goes to one place in the file. */
static gssize
append_pipe_once (ParallelOutput  *self,
                  int              fd,
                  gsize            length,
                  gboolean        *short_read,
                  GError         **error)
{
  Run run;
  gssize n;

  if (!check_open (self, error))
    return -1;

  if (is_full (self))
    return refuse_pipe (self, fd, error);

  /* Most programs write nothing to stderr, and many nothing at all: no extent for an end of
   * file, and no error from a folder that nobody needs. */
  find_place (self, self->written, &run);
  if (run.offset == -1 && is_empty_pipe (fd, &n, error))
    return n;

  if (!find_room (self, &run, error))
    return -1;

  length = MIN (length, run.length);
  n = parallel_spool_splice (self->spool, run.offset, fd, length, error);
  if (n > 0 && !add_written (self, n, error))
    return -1;

  *short_read = n < (gssize) length;

  return n;
}

gssize
parallel_output_append_pipe (ParallelOutput  *self,
                             int              fd,
                             GError         **error)
{
  gsize total = 0;
  gboolean short_read = FALSE;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (fd >= 0, -1);

  /* After a short read the pipe is empty, most likely; to try again would cost each small output
   * a system call. */
  while (total < PIPE_SIZE && !short_read)
    {
      gssize n;

      /* That the next byte will be refused is for the next call to say; this one has something
       * to report. */
      if (total > 0 && is_full (self))
        break;

      n = append_pipe_once (self, fd, PIPE_SIZE - total, &short_read, total > 0 ? NULL : error);

      /* As is the end or an error after some bytes, which will be there again. */
      if (n <= 0)
        return total > 0 ? (gssize) total : n;

      total += n;
    }

  return total;
}

void
parallel_output_close (ParallelOutput *self)
{
  g_return_if_fail (self != NULL);

  g_mutex_lock (&self->mutex);
  self->closed = TRUE;
  g_mutex_unlock (&self->mutex);
}

gboolean
parallel_output_is_closed (ParallelOutput *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (self != NULL, FALSE);

  locker = g_mutex_locker_new (&self->mutex);

  return self->closed;
}

guint64
parallel_output_get_size (ParallelOutput *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (self != NULL, 0);

  locker = g_mutex_locker_new (&self->mutex);

  return get_size_locked (self);
}

guint64
parallel_output_get_written (ParallelOutput *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (self != NULL, 0);

  locker = g_mutex_locker_new (&self->mutex);

  return self->written;
}

gssize
parallel_output_read (ParallelOutput  *self,
                      guint64          offset,
                      void            *buffer,
                      gsize            length,
                      GError         **error)
{
  guint64 size;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (buffer != NULL || length == 0, -1);

  size = parallel_output_get_size (self);
  if (offset >= size)
    return 0;

  length = MIN (MIN (length, size - offset), G_MAXSSIZE);
  if (!read_range (self, offset, buffer, length, FALSE, error))
    return -1;

  return length;
}

GBytes *
parallel_output_dup_bytes (ParallelOutput  *self,
                           GError         **error)
{
  g_autofree char *data = NULL;
  guint64 size;

  g_return_val_if_fail (self != NULL, NULL);

  size = parallel_output_get_size (self);

  /* It can be many times larger than the memory: that is no reason to abort. */
  if (size > 0 && (size > G_MAXSIZE || (data = g_try_malloc (size)) == NULL))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "There is not enough memory for an output of %" G_GUINT64_FORMAT " bytes", size);
      return NULL;
    }

  if (!read_range (self, 0, data, size, FALSE, error))
    return NULL;

  return g_bytes_new_take (g_steal_pointer (&data), size);
}

/* The last @length bytes or fewer, with what is not readable yet. @cut: something comes before
 * them. */
static char *
dup_last_bytes (ParallelOutput *self,
                gsize          *length,
                gboolean       *cut)
{
  g_autofree char *data = NULL;
  gboolean moving;
  gboolean res;
  guint64 size;

  g_mutex_lock (&self->mutex);

  size = get_final_size_locked (self);
  *cut = size > *length;
  *length = MIN (*length, size);

  /* While the ring turns, the lock is what keeps the writer from beginning a second write over
   * what we read. */
  moving = !self->closed && keeps_ends (self) && size > get_head_size (self);
  if (!moving)
    g_mutex_unlock (&self->mutex);

  data = g_try_malloc (*length);
  res = data != NULL && read_range (self, size - *length, data, *length, moving, NULL);

  if (moving)
    g_mutex_unlock (&self->mutex);

  return res ? g_steal_pointer (&data) : NULL;
}

/* The last @max_lines lines of @text, of which at most @max_bytes. */
static const char *
find_last_lines (const char *text,
                 gsize       max_bytes,
                 guint       max_lines)
{
  const char *end = text + strlen (text);
  const char *start = text;

  if ((gsize) (end - text) > max_bytes)
    {
      start = end - max_bytes;
      while (((guchar) *start & 0xc0) == 0x80)
        start++;
    }

  for (const char *p = end; p > start; p--)
    {
      if (p[-1] == '\n' && --max_lines == 0)
        return p;
    }

  return start;
}

char *
parallel_output_dup_tail (ParallelOutput *self,
                          gsize           max_bytes,
                          guint           max_lines)
{
  g_autofree char *data = NULL;
  g_autofree char *text = NULL;
  const char *start = NULL;
  gsize length;
  gsize skip = 0;
  gboolean cut = FALSE;

  g_return_val_if_fail (self != NULL, NULL);

  if (max_bytes == 0 || max_lines == 0)
    return NULL;

  /* A byte more for the final newline, and three for a character whose last byte is the first
   * that is wanted. */
  length = MIN (max_bytes, G_MAXSSIZE - 4) + 4;
  data = dup_last_bytes (self, &length, &cut);
  if (data == NULL || length == 0)
    return NULL;

  if (data[length - 1] == '\n')
    length--;

  /* The rest of a character that we cut is not an error of the program's. */
  while (cut && skip < 3 && skip < length && ((guchar) data[skip] & 0xc0) == 0x80)
    skip++;

  text = g_utf8_make_valid (data + skip, length - skip);
  start = find_last_lines (text, max_bytes, max_lines);

  return *start != '\0' ? g_strdup (start) : NULL;
}

GInputStream *
parallel_output_open (ParallelOutput *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return parallel_output_input_stream_new (self);
}
