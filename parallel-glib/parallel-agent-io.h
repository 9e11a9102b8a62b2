/* parallel-agent-io.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Descriptors that are read and written without ever waiting. Engine thread only. */

/* ---- reading ---- */

typedef struct _ParallelAgentReader ParallelAgentReader;

typedef struct
{
  /* All may free the reader. */
  void (*data)  (gpointer      owner,
                 const guint8 *data,
                 gsize         size);
  void (*ended) (gpointer      owner);
  /* Nobody writes any more, while it is paused; or NULL. */
  void (*gone)  (gpointer      owner);
} ParallelAgentReaderFuncs;

/* Takes @fd. */
ParallelAgentReader *parallel_agent_reader_new        (int                             fd,
                                                       const ParallelAgentReaderFuncs *funcs,
                                                       gpointer                        owner);
void                 parallel_agent_reader_free       (ParallelAgentReader            *self);
/* What comes meanwhile stays where it is. */
void                 parallel_agent_reader_set_paused (ParallelAgentReader            *self,
                                                       gboolean                        paused);
gboolean             parallel_agent_reader_is_paused  (ParallelAgentReader            *self);
/* Reads what is there now, at most what a pipe can hold. The data function must not free the reader then. */
void                 parallel_agent_reader_drain      (ParallelAgentReader            *self);

/* ---- writing ---- */

/* Whoever fills a writer beyond this should wait until it is drained. */
#define PARALLEL_AGENT_FULL (1024 * 1024)

typedef struct _ParallelAgentWriter ParallelAgentWriter;

typedef struct
{
  /* Everything is written, after a write that was not at once. */
  void (*drained) (gpointer owner);
  /* Nobody reads it any more; what is written from now on is dropped. Never called from within a write. */
  void (*broken)  (gpointer owner);
} ParallelAgentWriterFuncs;

/* Takes @fd. */
ParallelAgentWriter *parallel_agent_writer_new         (int                             fd,
                                                        const ParallelAgentWriterFuncs *funcs,
                                                        gpointer                        owner);
void                 parallel_agent_writer_free        (ParallelAgentWriter            *self);
void                 parallel_agent_writer_write       (ParallelAgentWriter            *self,
                                                        const void                     *data,
                                                        gsize                           size);
/* Closes the descriptor behind what is pending; a socket's reader sees the end, whoever else has it. */
void                 parallel_agent_writer_close       (ParallelAgentWriter            *self);
gsize                parallel_agent_writer_get_pending (ParallelAgentWriter            *self);
/* What it keeps, for what is pending. */
gsize                parallel_agent_writer_get_memory  (ParallelAgentWriter            *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelAgentReader, parallel_agent_reader_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelAgentWriter, parallel_agent_writer_free)

G_END_DECLS
