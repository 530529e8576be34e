#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A session from birth to end over the REST face, on every MPM, over TCP and
# a unix socket; what Redis holds is looked at directly.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Rig;
use Test::More;

my $conf = <<'CONF';
DRSession On
DRSessionIdle 1h
<Location "/session">
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF

sub live_one_life {
    my ($rig) = @_;
    my $jar;
    my $say = sub { $rig->request(@_, jar => \$jar) };

    is $say->('GET', '/session/')->{content}, '{}', 'no session is {}';
    ok !defined $jar, 'reading makes no session';
    is $rig->redis('DBSIZE'), 0, 'and no key';

    is $say->('PUT', '/session/n', body => ' 5 ')->{status}, 201, 'new field';
    like $jar, qr/\A[A-Za-z0-9_-]{44}\z/, 'the first write sends a cookie';
    my $key = "drsession:$jar";
    is $rig->redis('HGET', $key, 'n'), '5', 'white space is cut';
    cmp_ok $rig->redis('PTTL', $key), '>', 3_500_000, 'the key expires';

    is $say->('PUT', '/session/n', body => '6')->{status}, 204, 'replaced';
    is $say->('POST', '/session/n?incr=-2')->{content}, '4', 'incr';
    is $say->('GET', '/session/n')->{content}, '4', 'get';
    is $say->('HEAD', '/session/n')->{status}, 200, 'head';
    is $say->('GET', '/session/none')->{status}, 404, 'no such field';
    is $say->('PUT', '/session/n?add', body => '1')->{status}, 409, 'add';
    is $say->('PATCH', '/session/', body => '{"a":[1, 2],"n":null}')
        ->{status}, 204, 'merge';
    is $say->('GET', '/session/')->{content}, '{"a":[1, 2]}', 'merged';
    is $say->('PUT', '/session/b', body => '{oops')->{status}, 400, 'no JSON';

    my $old = $jar;
    is $say->('POST', '/session/?regenerate')->{status}, 204, 'regenerate';
    isnt $jar, $old, 'a new id';
    is $rig->redis('EXISTS', "drsession:$old"), 0, 'the old one is dead';
    is $say->('POST', '/session/a?pop')->{content}, '[1, 2]', 'pop';
    is $say->('PUT', '/session/z', body => '"new life"')->{status}, 201,
        'after its last field a new session is made';
    is $say->('DELETE', '/session/z')->{status}, 204, 'delete';
    is $say->('PUT', '/session/z', body => '1')->{status}, 201, 'write';
    is $say->('DELETE', '/session/')->{status}, 204, 'end';
    ok !defined $jar, 'the cookie is expired';
    is $rig->redis('DBSIZE'), 0, 'nothing is left';
}

for my $mpm (qw(prefork worker event)) {
    for my $tcp (0, 1) {
        my $rig = Rig->new(mpm => $mpm, tcp => $tcp)->start_httpd($conf);
        subtest "one life under $mpm over " . ($tcp ? 'tcp' : 'unix') => sub {
            live_one_life($rig);
        };
        is_deeply [$rig->unexpected], [], 'the error log is clean';
        Rig::stop_all();
    }
}
done_testing;
