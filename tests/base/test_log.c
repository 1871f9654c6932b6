#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/seam.h"

static int64_t fake_ms;

static int64_t
fake_boot(void)
{
	return fake_ms;
}

static int pipe_fds[2];

static void
start(enum lp_log_level least)
{
	CHECK_INT(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	lp_log_init(pipe_fds[1], least);
}

static const char *
line(void)
{
	static char text[4096];
	ssize_t len = read(pipe_fds[0], text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

TEST(an_event_is_one_line_with_time_level_sentence_and_facts)
{
	const char *text;

	start(LP_LOG_INFO);
	lp_log(LP_LOG_WARN, "pod did not start, will retry", "pod=%s in_ms=%d", "web", 10);
	text = line();
	CHECK_HAS(text, "Z WARN pod did not start, will retry pod=web in_ms=10\n");
	CHECK(text[4] == '-' && text[10] == 'T');
	CHECK(strchr(text, '\n') == text + strlen(text) - 1);
}

TEST(what_is_less_than_wanted_is_not_written)
{
	enum lp_log_level level;

	start(LP_LOG_WARN);
	lp_log(LP_LOG_INFO, "small talk", "%s", "");
	CHECK_STR(line(), "");
	CHECK_INT(lp_log_level_parse("debug", &level), 0);
	CHECK_INT(level, LP_LOG_DEBUG);
	CHECK_ERR(lp_log_level_parse("loud", &level), -EINVAL);
}

TEST(a_line_stays_one_line_and_has_an_end)
{
	char word[3000];
	const char *text;

	start(LP_LOG_INFO);
	lp_log(LP_LOG_INFO, "from outside", "name=\"%s\"", "a\nERROR forged=1\r\x1b[31m");
	text = line();
	CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	CHECK(!strchr(text, '\r') && !strchr(text, '\x1b'));
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	lp_log(LP_LOG_INFO, "long", "word=%s", word);
	text = line();
	CHECK(strlen(text) <= 1001);
	CHECK_INT(text[strlen(text) - 1], '\n');
}

TEST(what_a_peer_can_trigger_is_said_ten_times_in_ten_seconds)
{
	static struct lp_log_limit limit;
	int said = 0;

	lp_seam.boot_ms = fake_boot;
	start(LP_LOG_INFO);
	fake_ms = 100000;
	for (int i = 0; i < 1000; i++)
		said += lp_log_allowed(&limit) > 0;
	CHECK_INT(said, 10);
	fake_ms += 10001;
	CHECK(lp_log_allowed(&limit));
}
