/* parallel-worker-answer.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>
#include <sys/uio.h>

#include "parallel-frame.h"

G_BEGIN_DECLS

/* What a worker is given and answers, as variants and errors. A value travels as the content of a variant of the
 * type "v", little-endian: the child's bytes, a zero, and the child's type. No bytes at all are the value (). The details of a
 * failure are the value (domain, code, message). */

GVariant *parallel_worker_value_parse      (GBytes               *bytes,
                                            GError              **error);
/* Whether a result is not too large for a frame of @limit bytes. */
gboolean  parallel_worker_value_check_size (GVariant             *value,
                                            guint32               limit,
                                            GError              **error);
/* UTF-8 of at most @max_size bytes, whatever @text is. */
char     *parallel_worker_text_shorten     (const char           *text,
                                            gsize                 max_size);

/* A frame: what it begins with, the bytes of the value, and its type. */
typedef struct
{
  GByteArray *head;
  GVariant   *value;
  GByteArray *type;
} ParallelWorkerAnswer;

#define PARALLEL_WORKER_ANSWER_PARTS 3

/* SET_UP, RESULT or LEFT: @failure, or else @value, or else that there was nothing to do. */
void      parallel_worker_answer_init      (ParallelWorkerAnswer *self,
                                            guint32               limit,
                                            ParallelFrameKind     kind,
                                            guint64               serial,
                                            GVariant             *value,
                                            const GError         *failure);
void      parallel_worker_answer_clear     (ParallelWorkerAnswer *self);
/* They point into @self. */
void      parallel_worker_answer_get_parts (ParallelWorkerAnswer *self,
                                            struct iovec         *parts);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ParallelWorkerAnswer, parallel_worker_answer_clear)

G_END_DECLS
