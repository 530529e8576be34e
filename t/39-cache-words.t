#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What an application says of caching may have quotes, and commas and words
# of ours inside them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $httpd = start_httpd(redis => start_redis(), conf => <<'CONF',
DRSession On
<Location /cgi>
    DRSessionExport a
</Location>
CONF
    cgi => { say => <<'CGI' });
#!/usr/bin/perl
$ENV{QUERY_STRING} =~ s/%(..)/chr hex $1/ge;
print "Cache-Control: $ENV{QUERY_STRING}\r\n\r\n";
CGI

sub becomes {
    my ($said, $want, $name) = @_;
    my $r = $httpd->get('/cgi/say?' . pct($said));
    is header($r, 'Cache-Control'), $want, $name;
}

subtest 'a_text_in_quotes_is_one_word' => sub {
    becomes('no-cache="Set-Cookie, X-A", max-age=5',
        'private, no-cache, max-age=5', 'one that is replaced goes whole');
    becomes('public, community="a, b" , max-age=5',
        'private, no-cache, community="a, b", max-age=5', 'another stays whole');
    becomes('x="a\\", no-store",public', 'private, no-cache, x="a\\", no-store"',
        'an escaped quote ends nothing');
};

subtest 'a_word_in_quotes_says_nothing' => sub {
    becomes('public, community="a, no-store, b"',
        'private, no-cache, community="a, no-store, b"', 'no-store for one');
    becomes('public, x="no-store', 'private, no-cache, x="no-store',
        'nor in quotes that do not end');
    becomes('max-age=0, No-Store', 'private, no-cache, max-age=0, No-Store',
        'but outside it does');
};

error_log_is_clean($httpd);
done_testing;
