/* parallel-fd.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"

void
parallel_fd_clear (int *fd)
{
  int old = *fd;

  *fd = -1;
  if (old >= 0)
    close (old);
}

int
parallel_fd_duplicate (int fd)
{
  return fcntl (fd, F_DUPFD_CLOEXEC, PARALLEL_EXEC_REPORT_FD + 1);
}

gboolean
parallel_fd_lift (int *fd)
{
  int old = *fd;

  if (old > PARALLEL_EXEC_REPORT_FD)
    return TRUE;

  *fd = parallel_fd_duplicate (old);
  if (*fd < 0)
    {
      *fd = old;
      return FALSE;
    }

  close (old);
  return TRUE;
}

gboolean
parallel_fd_open_pipe (int *read_fd,
                       int *write_fd,
                       int  flags)
{
  int fds[2];
  int code;

  if (pipe2 (fds, O_CLOEXEC | flags) != 0)
    return FALSE;

  if (parallel_fd_lift (&fds[0]) && parallel_fd_lift (&fds[1])
      && fcntl (fds[0], F_SETFL, O_NONBLOCK) == 0)
    {
      *read_fd = fds[0];
      *write_fd = fds[1];
      return TRUE;
    }

  code = errno;
  close (fds[0]);
  close (fds[1]);
  errno = code;

  return FALSE;
}

gssize
parallel_fd_send (int                 fd,
                  const struct iovec *vectors,
                  guint               n_vectors,
                  const int          *fds,
                  guint               n_fds)
{
  union
  {
    char           bytes[CMSG_SPACE (PARALLEL_FD_MAX_SENT * sizeof (int))];
    struct cmsghdr align;
  } control = { { 0 } };
  struct msghdr message = { .msg_iov = (struct iovec *) vectors, .msg_iovlen = n_vectors };
  gssize n;

  g_assert (n_fds <= PARALLEL_FD_MAX_SENT);
  if (n_fds > 0)
    {
      struct cmsghdr *header;

      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      header = CMSG_FIRSTHDR (&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (header), fds, n_fds * sizeof (int));
    }

  do
    n = sendmsg (fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);

  return n;
}
