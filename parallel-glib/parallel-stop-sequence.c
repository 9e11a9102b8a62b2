/* parallel-stop-sequence.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-stop-sequence.h"

#include <signal.h>
#include <string.h>

/* After SIGKILL the kernel takes a program away at once, unless it hangs in a device. Then it is
 * left. */
#define DELAY_AFTER_KILL (2 * G_USEC_PER_SEC)

#define MAX_DELAY 1000000000u     /* milliseconds: eleven days */

static gboolean
parse_signal (const char *text,
              int        *signum)
{
  const char *name = g_str_has_prefix (text, "SIG") ? text + 3 : text;
  guint64 number;

  if (g_ascii_string_to_unsigned (text, 10, 1, 64, &number, NULL))
    {
      *signum = (int) number;
      return TRUE;
    }

  for (int i = 1; i < NSIG; i++)
    {
      const char *known = sigabbrev_np (i);

      if (known != NULL && g_ascii_strcasecmp (known, name) == 0)
        {
          *signum = i;
          return TRUE;
        }
    }

  return FALSE;
}

static gboolean
parse_words (char                 **words,
             gint64                 last_delay,
             ParallelStopSequence  *sequence,
             GError               **error)
{
  for (guint i = 0; words[i] != NULL; i++)
    {
      const char *word = g_strstrip (words[i]);
      guint n = sequence->n_signals;
      guint64 delay;

      if (i % 2 == 0)
        {
          if (!parse_signal (word, &sequence->signals[n].signum))
            {
              g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "“%s” is not the name or number of a signal", word);
              return FALSE;
            }
          sequence->signals[n].delay = last_delay;
          sequence->n_signals++;
        }
      else if (g_ascii_string_to_unsigned (word, 10, 0, MAX_DELAY, &delay, NULL))
        sequence->signals[n - 1].delay = (gint64) delay * 1000;
      else
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                       "“%s” is not a delay of 0 to %u milliseconds", word, MAX_DELAY);
          return FALSE;
        }
    }

  return TRUE;
}

gboolean
parallel_stop_sequence_parse (const char            *text,
                              double                 grace,
                              ParallelStopSequence  *sequence,
                              GError               **error)
{
  gint64 last_delay = (gint64) (MIN (grace, 1e9) * G_USEC_PER_SEC);
  g_auto (GStrv) words = g_strsplit (text != NULL ? text : "TERM", ",", -1);
  guint n = g_strv_length (words);

  *sequence = (ParallelStopSequence) { 0 };
  if (n == 0 || n > 2 * PARALLEL_STOP_SEQUENCE_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "A stop sequence has from 1 to %d signals, with delays in milliseconds between "
                   "them, as in “TERM,5000,KILL”", PARALLEL_STOP_SEQUENCE_MAX);
      return FALSE;
    }
  if (!parse_words (words, last_delay, sequence, error))
    {
      g_prefix_error (error, "The stop sequence “%s” cannot be used: ", text);
      return FALSE;
    }

  n = sequence->n_signals;
  if (sequence->signals[n - 1].signum != SIGKILL)
    {
      sequence->signals[n].signum = SIGKILL;
      sequence->n_signals = ++n;
    }
  sequence->signals[n - 1].delay = DELAY_AFTER_KILL;

  return TRUE;
}

char *
parallel_stop_signal_name (int signum)
{
  const char *name = sigabbrev_np (signum);

  return name != NULL ? g_strconcat ("SIG", name, NULL) : g_strdup_printf ("signal %d", signum);
}
