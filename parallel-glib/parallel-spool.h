/* parallel-spool.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The file that the outputs of one run live in until they have been printed and nobody wants to
 * read them.
 *
 * One anonymous file for the whole run, and not one a step, so that ten thousand finished steps
 * that wait behind a slow first one cost one descriptor. It is made on the first allocation, in
 * g_get_tmp_dir(), without a name (O_TMPFILE, else mkstemp and unlink at once), 0600,
 * close-on-exec.
 *
 * The file is handed out in extents: powers of two from 4 KiB to 4 MiB. A freed extent is given out
 * again; the room of a big one is returned to the file system (a hole), and all of it when nothing
 * is allocated.
 *
 * All functions may be called from any thread. */
typedef struct _ParallelSpool ParallelSpool;

typedef struct
{
  goffset offset;
  gsize   size;       /* a power of two, in bytes */
} ParallelExtent;

#define PARALLEL_SPOOL_MIN_EXTENT (4 * 1024)
#define PARALLEL_SPOOL_MAX_EXTENT (4 * 1024 * 1024)

ParallelSpool *parallel_spool_new        (void);
ParallelSpool *parallel_spool_ref        (ParallelSpool  *self);
void           parallel_spool_unref      (ParallelSpool  *self);

/* Gives an extent of @size, rounded up to a power of two within the bounds above. */
gboolean       parallel_spool_allocate   (ParallelSpool  *self,
                                          gsize           size,
                                          ParallelExtent *extent,
                                          GError        **error);
void           parallel_spool_free       (ParallelSpool        *self,
                                          const ParallelExtent *extent);

/* Writes all of @data, or fails: G_IO_ERROR_NO_SPACE and its siblings, with a message that names
 * the folder. */
gboolean       parallel_spool_write      (ParallelSpool  *self,
                                          goffset         offset,
                                          const void     *data,
                                          gsize           length,
                                          GError        **error);

/* Moves up to @length bytes from the pipe @fd (non-blocking) into the file without a copy
 * through the program where the kernel can. Returns the number of bytes, 0 at the end of the
 * pipe, -1 with G_IO_ERROR_WOULD_BLOCK when the pipe is empty, or -1 with another error; then
 * nothing has been taken from the pipe that is not in the file. */
gssize         parallel_spool_splice     (ParallelSpool  *self,
                                          goffset         offset,
                                          int             fd,
                                          gsize           length,
                                          GError        **error);

/* Reads exactly @length bytes that were written before. */
gboolean       parallel_spool_read       (ParallelSpool  *self,
                                          goffset         offset,
                                          void           *buffer,
                                          gsize           length,
                                          GError        **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelSpool, parallel_spool_unref)

G_END_DECLS
