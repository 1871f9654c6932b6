#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/harness.h"
#include "wire/http.h"

TEST(headers_are_found_without_regard_to_case_and_lists_by_token)
{
	struct lp_http_headers h;
	const char *name, *value;
	size_t pos = 0, count = 0;

	lp_http_headers_init(&h, 1000);
	CHECK_OK(lp_http_headers_add(&h, "X-Stream-Protocol-Version", "v5.channel.k8s.io"), NULL);
	CHECK_OK(lp_http_headers_add(&h, "x-stream-protocol-version", "v4.channel.k8s.io, v3.channel.k8s.io"), NULL);
	CHECK_OK(lp_http_headers_add(&h, "Connection", "keep-alive,Upgrade"), NULL);
	CHECK_STR(lp_http_headers_get(&h, "x-stream-protocol-version"), "v5.channel.k8s.io");
	CHECK(lp_http_headers_lists(&h, "x-stream-protocol-version", "v3.channel.k8s.io"));
	CHECK(lp_http_headers_lists(&h, "connection", "upgrade"));
	CHECK(!lp_http_headers_lists(&h, "connection", "up"));
	CHECK(lp_http_headers_get(&h, "host") == NULL);
	while (lp_http_headers_next(&h, &pos, &name, &value))
		count++;
	CHECK_INT(count, 3);
	CHECK_ERR(lp_http_headers_add(&h, "Bad Name", "x"), -EINVAL);
	CHECK_ERR(lp_http_headers_add(&h, "", "x"), -EINVAL);
	CHECK_ERR(lp_http_headers_add(&h, "a", "b\r\nSet-Cookie: c"), -EINVAL);
	CHECK_INT(h.count, 3);
	lp_http_headers_fini(&h);
}

TEST(headers_have_a_ceiling_and_stay_whole_at_it)
{
	struct lp_http_headers h;

	lp_http_headers_init(&h, 20);
	CHECK_OK(lp_http_headers_add(&h, "a", "1"), NULL);
	CHECK_ERR(lp_http_headers_add(&h, "bbbbbbbbbb", "2222222222"), -EMSGSIZE);
	CHECK_OK(lp_http_headers_add(&h, "c", "3"), NULL);
	CHECK_STR(lp_http_headers_get(&h, "c"), "3");
	CHECK(lp_http_headers_get(&h, "bbbbbbbbbb") == NULL);
	lp_http_headers_fini(&h);
}

TEST(query_parameters_are_decoded_once_and_in_order)
{
	const char *query = "command=sh&command=-c&command=echo+a%26b%3Dc&stdin=true&tty=0&empty=&flag&na%6De=x&bad=%zz&nul=%00";
	struct lp_buf out;
	char small[4];

	lp_buf_init(&out, 100);
	CHECK_OK(lp_http_query(query, "command", 0, &out), NULL);
	CHECK_STR(out.data, "sh");
	CHECK_OK(lp_http_query(query, "command", 2, &out), NULL);
	CHECK_STR(out.data, "echo a&b=c");
	CHECK_ERR(lp_http_query(query, "command", 3, &out), -ENOENT);
	CHECK_OK(lp_http_query(query, "empty", 0, &out), NULL);
	CHECK_STR(out.data, "");
	CHECK_OK(lp_http_query(query, "flag", 0, &out), NULL);
	CHECK_STR(out.data, "");
	CHECK_OK(lp_http_query(query, "name", 0, &out), NULL);
	CHECK_STR(out.data, "x");
	CHECK_ERR(lp_http_query(query, "bad", 0, &out), -EINVAL);
	CHECK_ERR(lp_http_query(query, "nul", 0, &out), -EINVAL);
	CHECK_ERR(lp_http_query("", "x", 0, &out), -ENOENT);
	CHECK(lp_http_query_bool(query, "stdin"));
	CHECK(!lp_http_query_bool(query, "tty"));
	CHECK(!lp_http_query_bool(query, "missing"));
	CHECK(!lp_http_query_str(query, "stdin", small, sizeof(small)));
	lp_buf_fini(&out);
}

TEST(what_is_escaped_reads_back_the_same)
{
	const char *text = "a b/c?d=e&f%g\xc3\xa9~-._";
	struct lp_buf escaped, back;

	lp_buf_init(&escaped, 200);
	lp_buf_init(&back, 200);
	CHECK_OK(lp_http_escape(&escaped, text), NULL);
	CHECK_STR(escaped.data, "a%20b%2Fc%3Fd%3De%26f%25g%C3%A9~-._");
	CHECK_OK(lp_http_unescape(escaped.data, escaped.len, &back), NULL);
	CHECK_STR(back.data, text);
	lp_buf_fini(&escaped);
	lp_buf_fini(&back);
}

TEST(addresses_of_servers_are_read_or_refused)
{
	static const char *const bad[] = { "", "host:1", "ftp://h", "https://", "https://h:0", "https://h:70000", "https://h:x", "https://[::1",
		"https://h/p?q", "https://h p", NULL };
	struct lp_http_url url;
	struct lp_err err = { 0 };

	CHECK_OK(lp_http_url("https://example.org:6443/base/", &url, &err), &err);
	CHECK_STR(url.host, "example.org");
	CHECK_INT(url.port, 6443);
	CHECK_STR(url.path, "/base");
	CHECK(url.tls);
	CHECK_OK(lp_http_url("http://[fd00::1]", &url, &err), &err);
	CHECK_STR(url.host, "fd00::1");
	CHECK_INT(url.port, 80);
	CHECK_STR(url.path, "");
	CHECK(!url.tls);
	CHECK_OK(lp_http_url("https://10.0.0.1/", &url, &err), &err);
	CHECK_INT(url.port, 443);
	for (size_t i = 0; bad[i]; i++) {
		if (lp_http_url(bad[i], &url, &err) != -EINVAL)
			FAIL("\"%s\" was accepted", bad[i]);
	}
}

TEST(every_status_has_a_reason)
{
	CHECK_STR(lp_http_reason(404), "Not Found");
	CHECK_STR(lp_http_reason(422), "Unprocessable Entity");
	CHECK_STR(lp_http_reason(799), "Status");
}
