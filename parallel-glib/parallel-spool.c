/* parallel-spool.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-spool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* NOTES:
 *
 * Free extents are kept in one stack for each size and are neither split nor merged: offsets in a
 * sparse file cost nothing, only blocks do. From PUNCH_SIZE on the blocks of a freed extent go back
 * to the file system at once; below it a hole would cost more system time than the room is worth,
 * and small extents are soon used again.
 *
 * Nothing may send the pages of this file away by reference (sendfile or splice from it): a pipe
 * or a socket would still refer to them when their extent has been given out again. */

#define MIN_EXTENT_BITS 12
#define N_CLASSES 11
#define PUNCH_SIZE (64 * 1024)
#define COPY_SIZE (64 * 1024)

G_STATIC_ASSERT (PARALLEL_SPOOL_MIN_EXTENT == 1 << MIN_EXTENT_BITS);
G_STATIC_ASSERT (PARALLEL_SPOOL_MAX_EXTENT == 1 << (MIN_EXTENT_BITS + N_CLASSES - 1));

struct _ParallelSpool
{
  /* Set under mutex before the first extent is handed out, constant from then on: who has an
   * extent may read it. */
  int      fd;

  /* Atomic: the file system cannot make holes. */
  int      no_holes;

  /* Guarded by mutex. */
  GMutex   mutex;
  goffset  end;                       /* nothing at or after it was ever handed out */
  guint64  n_allocated;
  GArray  *free_extents[N_CLASSES];   /* of goffset, by size; NULL until there is one */
};

static void
set_error_from_errno (GError    **error,
                      const char *what,
                      int         errsv)
{
  g_autofree char *folder = g_filename_display_name (g_get_tmp_dir ());
  int code = g_io_error_from_errno (errsv);

  /* For the caller a full quota and a file at its size limit are what a full disk is, but GLib
   * says FAILED. */
  if (errsv == EDQUOT || errsv == EFBIG)
    code = G_IO_ERROR_NO_SPACE;

  g_set_error (error, G_IO_ERROR, code, "Could not %s a temporary file in %s: %s",
               what, folder, g_strerror (errsv));
}

static int
open_file (GError **error)
{
  g_autofree char *template = NULL;
  int fd = -1;

#ifdef O_TMPFILE
  do
    fd = open (g_get_tmp_dir (), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  while (fd == -1 && errno == EINTR);
  if (fd != -1)
    return fd;
#endif

  /* Whatever the reason was, one that also stops this shows here, and with the better errno: a
   * kernel or a file system without O_TMPFILE has many ways to say so. */
  template = g_build_filename (g_get_tmp_dir (), "parallel-glib-XXXXXX", NULL);
  fd = g_mkstemp_full (template, O_RDWR | O_CLOEXEC, 0600);
  if (fd == -1)
    set_error_from_errno (error, "create", errno);
  else
    g_unlink (template);

  return fd;
}

static guint
size_class (gsize size)
{
  if (size <= PARALLEL_SPOOL_MIN_EXTENT)
    return 0;

  if (size >= PARALLEL_SPOOL_MAX_EXTENT)
    return N_CLASSES - 1;

  return g_bit_storage (size - 1) - MIN_EXTENT_BITS;
}

/* Gives the blocks of an extent that is still allocated, so that nobody else can have it, back. */
static void
punch_hole (ParallelSpool        *self,
            const ParallelExtent *extent)
{
#ifdef FALLOC_FL_PUNCH_HOLE
  int res;

  if (extent->size < PUNCH_SIZE || g_atomic_int_get (&self->no_holes))
    return;

  do
    res = fallocate (self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     extent->offset, extent->size);
  while (res == -1 && errno == EINTR);

  if (res == -1 && (errno == EOPNOTSUPP || errno == ENOSYS))
    g_atomic_int_set (&self->no_holes, TRUE);
#endif
}

/* Only when nothing is allocated. */
static void
empty_file_locked (ParallelSpool *self)
{
  int res;

  g_assert (self->n_allocated == 0);

  do
    res = ftruncate (self->fd, 0);
  while (res == -1 && errno == EINTR);

  /* The free extents are still good then. */
  if (res == -1)
    return;

  self->end = 0;
  for (guint i = 0; i < N_CLASSES; i++)
    g_clear_pointer (&self->free_extents[i], g_array_unref);
}

static void
parallel_spool_clear (ParallelSpool *self)
{
  if (self->fd != -1)
    close (self->fd);

  for (guint i = 0; i < N_CLASSES; i++)
    g_clear_pointer (&self->free_extents[i], g_array_unref);

  g_mutex_clear (&self->mutex);
}

ParallelSpool *
parallel_spool_new (void)
{
  ParallelSpool *self = g_atomic_rc_box_new0 (ParallelSpool);

  self->fd = -1;
  g_mutex_init (&self->mutex);

  return self;
}

ParallelSpool *
parallel_spool_ref (ParallelSpool *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_atomic_rc_box_acquire (self);
}

void
parallel_spool_unref (ParallelSpool *self)
{
  g_return_if_fail (self != NULL);

  g_atomic_rc_box_release_full (self, (GDestroyNotify) parallel_spool_clear);
}

gboolean
parallel_spool_allocate (ParallelSpool   *self,
                         gsize            size,
                         ParallelExtent  *extent,
                         GError         **error)
{
  g_autoptr (GMutexLocker) locker = NULL;
  guint class = size_class (size);
  GArray *free_extents;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (extent != NULL, FALSE);

  locker = g_mutex_locker_new (&self->mutex);

  /* The folder may be usable the next time, so a failure is not remembered. */
  if (self->fd == -1 && (self->fd = open_file (error)) == -1)
    return FALSE;

  extent->size = (gsize) PARALLEL_SPOOL_MIN_EXTENT << class;
  free_extents = self->free_extents[class];

  if (free_extents != NULL && free_extents->len > 0)
    {
      extent->offset = g_array_index (free_extents, goffset, free_extents->len - 1);
      g_array_set_size (free_extents, free_extents->len - 1);
    }
  else
    {
      extent->offset = self->end;
      self->end += extent->size;
    }

  self->n_allocated++;

  return TRUE;
}

void
parallel_spool_free (ParallelSpool        *self,
                     const ParallelExtent *extent)
{
  g_autoptr (GMutexLocker) locker = NULL;
  GArray **free_extents;
  gboolean last;

  g_return_if_fail (self != NULL);
  g_return_if_fail (extent != NULL);

  g_mutex_lock (&self->mutex);
  last = self->n_allocated == 1;
  g_mutex_unlock (&self->mutex);

  /* Without the lock, as it can take long. The extent still counts as allocated, so the file is
   * not emptied meanwhile, and this offset cannot get into the free extents of a file that
   * starts anew. */
  if (!last)
    punch_hole (self, extent);

  locker = g_mutex_locker_new (&self->mutex);

  g_assert (self->n_allocated > 0);

  free_extents = &self->free_extents[size_class (extent->size)];
  if (*free_extents == NULL)
    *free_extents = g_array_new (FALSE, FALSE, sizeof (goffset));
  g_array_append_val (*free_extents, extent->offset);

  if (--self->n_allocated == 0)
    empty_file_locked (self);
}

/* A file at its size limit (RLIMIT_FSIZE) is an error here: the signal that comes with it would end the
 * program. It is sent to the thread that writes, which may be the user's. */
static gssize
write_quietly (int         fd,
               const void *data,
               gsize       length,
               goffset     offset)
{
  const struct timespec no_time = { 0, 0 };
  sigset_t set;
  sigset_t before;
  gssize n;
  int code;

  sigemptyset (&set);
  sigaddset (&set, SIGXFSZ);
  pthread_sigmask (SIG_BLOCK, &set, &before);
  n = pwrite (fd, data, length, offset);
  code = errno;
  if (n == -1 && code == EFBIG && sigismember (&before, SIGXFSZ) == 0)
    while (sigtimedwait (&set, NULL, &no_time) == -1 && errno == EINTR)
      ;
  pthread_sigmask (SIG_SETMASK, &before, NULL);

  errno = code;
  return n;
}

gboolean
parallel_spool_write (ParallelSpool  *self,
                      goffset         offset,
                      const void     *data,
                      gsize           length,
                      GError        **error)
{
  const char *next = data;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (data != NULL || length == 0, FALSE);

  while (length > 0)
    {
      gssize n = write_quietly (self->fd, next, length, offset);

      if (n == -1 && errno == EINTR)
        continue;

      if (n <= 0)
        {
          set_error_from_errno (error, "write to", n == 0 ? EIO : errno);
          return FALSE;
        }

      next += n;
      offset += n;
      length -= n;
    }

  return TRUE;
}

/* For what the kernel cannot splice: a descriptor that is no pipe, or a file system that does
 * not know how. */
static gssize
copy_from_fd (ParallelSpool  *self,
              goffset         offset,
              int             fd,
              gsize           length,
              GError        **error)
{
  g_autofree char *buffer = NULL;
  int available = 0;
  int errsv;
  gssize n;

  length = MIN (length, COPY_SIZE);
  if (ioctl (fd, FIONREAD, &available) == 0 && available > 0)
    length = MIN (length, (gsize) available);

  /* What has been read cannot be put back, so make sure of the room before. A file system that
   * cannot promise it is taken at its word when the bytes are written. */
  do
    errsv = posix_fallocate (self->fd, offset, length);
  while (errsv == EINTR);

  if (errsv == ENOSPC || errsv == EDQUOT || errsv == EFBIG)
    {
      set_error_from_errno (error, "write to", errsv);
      return -1;
    }

  buffer = g_malloc (length);
  do
    n = read (fd, buffer, length);
  while (n == -1 && errno == EINTR);

  if (n == -1)
    {
      errsv = errno;
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errsv),
                   "Could not read from the pipe: %s", g_strerror (errsv));
      return -1;
    }

  if (!parallel_spool_write (self, offset, buffer, n, error))
    return -1;

  return n;
}

gssize
parallel_spool_splice (ParallelSpool  *self,
                       goffset         offset,
                       int             fd,
                       gsize           length,
                       GError        **error)
{
#ifdef SPLICE_F_NONBLOCK
  int errsv;

  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (length > 0, -1);

  for (;;)
    {
      loff_t at = offset;
      gssize n = splice (fd, NULL, self->fd, &at, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

      if (n >= 0)
        return n;

      errsv = errno;
      if (errsv != EINTR)
        break;
    }

  if (errsv == EAGAIN)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, g_strerror (errsv));
      return -1;
    }

  if (errsv != EINVAL && errsv != ENOSYS)
    {
      set_error_from_errno (error, "move output into", errsv);
      return -1;
    }
#endif

  return copy_from_fd (self, offset, fd, length, error);
}

gboolean
parallel_spool_read (ParallelSpool  *self,
                     goffset         offset,
                     void           *buffer,
                     gsize           length,
                     GError        **error)
{
  char *next = buffer;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (buffer != NULL || length == 0, FALSE);

  while (length > 0)
    {
      gssize n = pread (self->fd, next, length, offset);

      if (n == -1 && errno == EINTR)
        continue;

      /* An end of the file before the end of what was written: somebody has cut it. */
      if (n <= 0)
        {
          set_error_from_errno (error, "read from", n == 0 ? EIO : errno);
          return FALSE;
        }

      next += n;
      offset += n;
      length -= n;
    }

  return TRUE;
}
