/* sequencer-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-sequencer-private.h"

#include <string.h>

G_BEGIN_DECLS

/* What test-sequencer.c and test-sequencer-modes.c share. */

#define OUT PARALLEL_OUTPUT_STREAM_STDOUT
#define ERR PARALLEL_OUTPUT_STREAM_STDERR

/* How long anything that has to happen may take, also under valgrind on a busy machine. */
#define LIMIT (100 * G_USEC_PER_SEC)

/* A sequencer that prints into two pipes, a thread for each that reads it, and a record of what it
 * called. */
typedef struct _Fixture Fixture;

typedef struct
{
  Fixture    *fixture;
  GThread    *thread;
  int         fds[2];         /* the ends of the pipe, -1 when closed */
  GString    *text;           /* guarded by the mutex of the fixture */

  /* Constant: if not NULL, @text stays empty and what comes is compared with this, repeated. */
  const char *pattern;
  gsize       pattern_length;
  guint64     n_compared;
} Reader;

struct _Fixture
{
  ParallelSequencer *sequencer;
  ParallelSpool     *spool;
  GThread           *main_thread;
  Reader             readers[2];
  ParallelSink      *sinks[2];

  GMutex             mutex;
  GCond              cond;

  /* Guarded by mutex. */
  guint              n_drained;
  guint              n_keep_alive;
  guint              n_data;          /* given and not released */
  gboolean           abandon;         /* in the next printing callback */
  gboolean           drained_here;
  gboolean           destroyed;
  gboolean           keep_alive_text;
  guint64            announced[2];
  GString           *announcements;   /* "index:stream:offset+length " of each */
  GPtrArray         *errors;
};

/* Waits, with the mutex held, until the condition is true. */
#define await_locked(fixture, condition)                                                           \
  G_STMT_START {                                                                                   \
    gint64 deadline = g_get_monotonic_time () + LIMIT;                                             \
    while (!(condition))                                                                           \
      if (!g_cond_wait_until (&(fixture)->cond, &(fixture)->mutex, deadline))                      \
        g_error ("%s: did not happen: %s", G_STRLOC, #condition);                                  \
  } G_STMT_END

#define await(fixture, condition)                                                                  \
  G_STMT_START {                                                                                   \
    g_mutex_lock (&(fixture)->mutex);                                                              \
    await_locked (fixture, condition);                                                             \
    g_mutex_unlock (&(fixture)->mutex);                                                            \
  } G_STMT_END

#define await_text(fixture, stream, expected)                                                      \
  await (fixture, strcmp ((fixture)->readers[stream].text->str, expected) == 0)

void         reader_start              (Reader               *self);
void         close_end                 (Reader               *self,
                                        guint                 end);

Fixture     *fixture_new               (ParallelOutputMode    mode);
/* Without the readers, the pipes fill up. */
Fixture     *fixture_new_full          (ParallelOutputMode    mode,
                                        gboolean              start_readers);
/* Lets go of the sequencer and waits until its thread has as well; then all texts are complete. */
void         fixture_finish            (Fixture              *fixture);
void         fixture_free              (Fixture              *fixture);
/* Finishes, and compares all that was printed. */
void         fixture_end               (Fixture              *fixture,
                                        const char           *out,
                                        const char           *err);

void         append                    (ParallelOutput       *output,
                                        const char           *text);
/* An output with @text; NULL for NULL. */
ParallelOutput *
             make_output               (Fixture              *fixture,
                                        const char           *text);
ParallelOutput *
             make_filled               (Fixture              *fixture,
                                        gsize                 length);

/* As the sequencer's function, with data that says which step it is. */
void         add_outputs               (Fixture              *fixture,
                                        guint64               index,
                                        const char           *name,
                                        gboolean              live,
                                        ParallelOutput       *out,
                                        ParallelOutput       *err);
/* A step that has written this so far. */
void         add                       (Fixture              *fixture,
                                        guint64               index,
                                        gboolean              live,
                                        const char           *out_text,
                                        const char           *err_text);
void         add_done                  (Fixture              *fixture,
                                        guint64               index,
                                        const char           *out_text,
                                        const char           *err_text);

void         assert_description        (Fixture              *fixture,
                                        const char           *expected);
gboolean     has_printer               (Fixture              *fixture);
/* Waits until the printer has nothing to do. It tells nobody, so that it has to be asked. */
void         await_idle                (Fixture              *fixture);

G_END_DECLS
