# SPDX-License-Identifier: MIT
# A site with every door to the session, and what each of them has to say
# when Redis is in trouble. A row of trouble is a hash:
#
#   name    a sentence
#   inject  code that makes the trouble; heal: code that ends it
#   host    'lied' to meet the proxy instead of Redis
#   read, write, incr   the status of the C API: ok, down, unsure, reply ...
#   why     what the reason says, to the caller and in the log
#   most    seconds that one call may take, without the machine's slack
#   each    1 = the trouble is new for each door, so that no breaker answers
#   down    1 = the breaker opens, and the log tells of both ends
#   silent  1 = nothing fails, so the log has nothing
#   own     1 = it is a request's own trouble: the server is not down
#   calm    1 = refusals are over five seconds after the last
#   few     1 = some doors are enough, unless there is time (DRS_LONG)
#   also    code that looks at more while the trouble lasts
#   door    what single doors say instead: a status, or their text after '='
package DRS::Fault;
use strict;
use warnings;
use DRS;
use DRS::Liar;
use JSON::PP;
use Test::More;

our $SLACK = $ENV{DRS_VALGRIND} ? 5 : 1;    # of a busy machine, in seconds
my $COMMAND = 0.25;

my $LUA = <<'LUA';
local drsession = require "drsession"
function handle(r)
    r.content_type = "text/plain"
    local ok, got = pcall(function()
        local s = drsession.open(r)
        if r.args == "incr" then return drsession.incr(s, "n", 1) end
        return s.user
    end)
    r:puts((ok and "ok " or "error ") .. tostring(got))
    return apache2.OK
end
LUA

my $CONF = <<'CONF';
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=250ms command=250ms
DRSessionLimit value=64k
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /still>
    SetHandler drstest
    DRSessionTouch Off
</Location>
<LocationMatch "^/(fail|pass)/">
    DRSessionExport user
    Header always set X-User "%{DRSESSION_user}e"
    Header always set X-Status "%{DRSESSION_STATUS}e"
</LocationMatch>
<Location /pass>
    DRSessionOnError pass
</Location>
<Location /require>
    Require drsession user zoe
</Location>
<Location /if>
    <If "drsession('user') == 'zoe'">
        Header always set X-If yes
    </If>
</Location>
<Location /cgi>
    DRSessionHeader On
</Location>
<FilesMatch "\.lua$">
    SetHandler lua-script
</FilesMatch>
CONF

# options: mpm, redis arguments, conf to add.
sub new {
    my ($class, %opt) = @_;
    my $redis = start_redis(%{ $opt{redis} // {} });
    my $liar = DRS::Liar->new(port => $redis->port);
    my $home = DRS::Httpd::lua_home();
    my $httpd = start_httpd(redis => $redis, kind => 'tcp', start => 0,
        mpm => $opt{mpm} // 'event', servers => 1, threads => 16,
        modules => [defined $home ? 'lua' : ()],
        docs => { 'run.lua' => $LUA, map { $_ => 'page' } 'page.txt',
            map { "$_/page.txt" } qw(fail pass require if) },
        cgi => { ops => "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n"
            . "DRSession: incr n 1\\r\\n\\r\\nran'\n" });
    my $at = '127.0.0.1:' . $httpd->port;
    my $enter = $redis->{credentials} // '';
    # Looking for .htaccess takes a descriptor.
    $httpd->{conf} = $CONF . join('', map { "<Directory $_>\n"
        . "AllowOverride None\n</Directory>\n" } '/', $httpd->dir)
        . (defined $home ? "LuaPackageCPath $home/?.so\n" : '')
        . "<VirtualHost $at>\nServerName direct\n"
        . 'DRSessionServer ' . $redis->url('tcp') . "\n$enter</VirtualHost>\n"
        . "<VirtualHost $at>\nServerName lied\n"
        . 'DRSessionServer ' . $liar->url . "\n$enter</VirtualHost>\n"
        . ($opt{conf} // '');
    $httpd->start;
    my $self = bless { redis => $redis, liar => $liar, httpd => $httpd,
        lua => defined $home, acked => 0, unsure => 0, jar => jar() }, $class;
    my $said = join ' ', $self->call('set user "zoe"', 'set n 0', 'error');
    die "the site does not work: $said" if $said !~ /^ok ok/;
    return $self;
}

sub redis { $_[0]{redis} }
sub liar  { $_[0]{liar} }
sub httpd { $_[0]{httpd} }
sub key   { 'drsession:' . $_[0]{jar}->id }

sub ask {
    my ($self, $method, $path, %opt) = @_;
    return $self->{httpd}->request($method, $path,
        headers => { Host => $self->{host} // 'direct' },
        jar => $self->{jar}, %opt);
}

sub call {
    my ($self, @lines) = @_;
    return $self->{httpd}->drs({ jar => $self->{jar},
        headers => { Host => $self->{host} // 'direct' },
        path => '/drs' }, @lines);
}

# The same where a read does not refresh the expiry.
sub call_still {
    my ($self, @lines) = @_;
    return $self->{httpd}->drs({ jar => $self->{jar}, path => '/still' },
        @lines);
}

sub retry_after { return defined header($_[0], 'Retry-After') ? '+' : '' }

# A door: its name, which status it shows, how it is asked, and what it says
# of a status. What it says is text: "503+" is 503 with Retry-After.
my %REST = (ok => '2xx', down => '503+down', unsure => '503unsure',
    reply => '500reply', value => '400value', notfound => '404notfound');

sub rest_says {
    my ($r) = @_;
    return '2xx' if $r->{status} =~ /^2/;
    my $word = eval { decode_json($r->{body})->{error} } // 'no JSON';
    return $r->{status} . retry_after($r) . $word;
}

sub page_says {
    my ($r, $field, $wanted) = @_;
    return '2xx' if $r->{status} == 200
        && (header($r, $field) // '') eq $wanted;
    return $r->{status} . retry_after($r);
}

sub c_door {
    my ($name, $verb, $line) = @_;
    return [$name, $verb, sub { ($_[0]->call($line))[0] =~ s/ .*//sr },
        sub { $_[0] }];
}

my @DOORS = (
    c_door('C get', 'read', 'get user'),
    c_door('C set', 'write', 'set w 1'),
    c_door('C incr', 'incr', 'incr n 1'),
    ['REST GET', 'read', sub { rest_says($_[0]->ask('GET', '/session/user')) },
        sub { $REST{ $_[0] } }],
    ['REST PUT', 'write', sub { rest_says($_[0]->ask('PUT', '/session/w',
        body => 2)) }, sub { $REST{ $_[0] } }],
    ['REST POST incr', 'incr', sub { rest_says($_[0]->ask('POST',
        '/session/n?incr=1')) }, sub { $REST{ $_[0] } }],
    ['export, fail', 'read', sub { page_says($_[0]->ask('GET',
        '/fail/page.txt'), 'X-User', 'zoe') },
        sub { ({ ok => '2xx', down => '503+' })->{ $_[0] } // '500' }],
    ['export, pass', 'read', sub { my $r = $_[0]->ask('GET',
        '/pass/page.txt'); join ' ', $r->{status},
        header($r, 'X-Status'), header($r, 'X-User') },
        sub { $_[0] eq 'ok' ? '200 live zoe' : '200 unavailable (null)' }],
    ['Lua read', 'read', sub { $_[0]->ask('GET', '/run.lua')->{body}
        =~ s/:.*//sr }, sub { $_[0] eq 'ok' ? 'ok zoe' : "error $_[0]" }],
    ['Lua incr', 'incr', sub { $_[0]->ask('GET', '/run.lua?incr')->{body}
        =~ s/:.*//sr =~ s/^ok .*/ok/r },
        sub { $_[0] eq 'ok' ? 'ok' : "error $_[0]" }],
    ['response header', 'incr', sub { my $r = $_[0]->ask('GET', '/cgi/ops');
        $r->{status} . retry_after($r) },
        sub { ({ ok => '200', down => '503+' })->{ $_[0] } // '503' }],
    ['Require', 'read', sub { $_[0]->ask('GET',
        '/require/page.txt')->{status} },
        sub { $_[0] eq 'ok' ? 200 : 500 }],
    ['If', 'read', sub { page_says($_[0]->ask('GET', '/if/page.txt'),
        'X-If', 'yes') },
        sub { ({ ok => '2xx', down => '503+' })->{ $_[0] } // '500' }],
);

# A child of its own for each row: no breaker, no pool, no outage is older.
sub renew {
    my ($self) = @_;
    # A kept connection would keep the old child for two seconds; and until
    # it is gone that child may still take a new one.
    delete $self->{httpd}{client};
    my @old = $self->{httpd}->children;
    $self->{httpd}->graceful or die 'no graceful restart';
    wait_until(20, sub { !grep { !DRS::Proc::is_gone($_) } @old })
        or die 'an old child stays';
    wait_until(5, sub { ($self->call('get user'))[0] =~ /^ok/ })
        or die 'not well';
    $self->{mark} = length $self->{httpd}->error_log;
}

sub lines {
    my ($self, $pattern) = @_;
    my $log = substr $self->{httpd}->error_log, $self->{mark};
    return grep { /\[drsession:/ && /$pattern/ } split /\n/, $log;
}

sub count {
    my ($self, $door, $status) = @_;
    return if $door->[1] ne 'incr';
    my $is = $door->[3];
    if ($status eq $is->('ok')) { $self->{acked}++ }
    elsif ($status eq $is->('unsure')) { $self->{unsure}++ }
}

# What one call says to one row, in its time; then what the log has of it.
sub meet {
    my ($self, $row) = @_;
    my $read = ($row->{read} // 'ok') ne 'ok';
    my $line = $read ? 'get user' : 'set w 1';
    my $wanted = $read ? $row->{read} : $row->{write} // 'ok';
    my ($took, $said);
    # A busy machine may be late once; a bound that does not hold always is.
    for my $try (1 .. 3) {
        $row->{inject}->();
        ($took, my $r) = timed(sub { [$self->call($line, 'error')] });
        $said = $r;
        $row->{heal}->() if $try < 3 && $took > $row->{most} + 0.1;
        last if $took <= $row->{most} + 0.1;
    }
    is $said->[0] =~ s/ .*//sr, $wanted, $line;
    like $said->[1], qr/\Aok .*$row->{why}/, 'with its reason' if $row->{why};
    cmp_ok $took, '<=', $row->{most} + $SLACK, 'in time';
    unlike $said->[1], qr/\Q@{[$self->{jar}->id]}\E|zoe/, 'that names nobody';
    $self->call($line) for 1 .. 9;
    is $self->ask('GET', '/page.txt')->{body}, 'page', 'static pages go on';
    is $self->{httpd}->drs('get a'), 'notfound', 'so do visitors without one';
}

sub recover {
    my ($self, $row, $seconds) = @_;
    $row->{heal}->();
    return in_time($seconds, sub {
        join(' ', $self->call('get user', 'set w 1')) eq 'ok "zoe" ok';
    });
}

sub check_log {
    my ($self, $row) = @_;
    my @down = $self->lines(qr/:error\].*sessions are down: /);
    if ($row->{silent}) {
        is scalar($self->lines('')), 0, 'the log has nothing'
            or diag $self->lines('');
        return;
    }
    if ($row->{own}) {
        is scalar(@down), 0, 'the log does not say that sessions are down';
        like join("\n", $self->lines(':error\]')), $row->{loud},
            'but names each request' if $row->{loud};
        return;
    }
    is scalar(@down), 1, 'the log says once that sessions are down'
        or diag $self->lines('');
    like $down[0], $row->{why}, 'and why' if $row->{why};
    return unless $row->{down} || $row->{calm};
    my $up = qr/:notice\].*up again after [\d.]+ s, \d+ calls failed/;
    in_time($row->{calm} ? 7 + $SLACK : 0, sub {
        $self->call('get user', 'set w 1');
        return scalar $self->lines($up);
    });
    is scalar($self->lines($up)), 1, 'and once that they are up again'
        or diag $self->lines('');
}

sub run {
    my ($self, $row) = @_;
    local $self->{host} = $row->{host};
    $row->{$_} //= 'ok' for qw(read write incr);
    $row->{most} //= $COMMAND;
    $self->renew;
    $self->meet($row) unless $row->{silent};
    ok $self->recover($row, 2 + $SLACK), 'it recovers within two seconds';
    $self->check_log($row);
    $row->{inject}->() unless $row->{each};
    for my $door (@DOORS) {
        next if $door->[0] =~ /^Lua/ && !$self->{lua};
        next if $row->{few} && !$ENV{DRS_LONG}
            && $door->[0] !~ /^C|POST|fail/;
        $row->{inject}->() if $row->{each};
        my ($took, $said) = timed(sub { $door->[2]->($self) });
        my $wanted = $row->{door}{ $door->[0] } // $row->{ $door->[1] };
        is $said, $wanted =~ /^=(.*)/ ? $1 : $door->[3]->($wanted),
            "$door->[0]: $wanted";
        cmp_ok $took, '<=', $row->{most} + $SLACK, 'in time';
        $self->count($door, $said);
        if ($row->{each}) {
            $self->recover($row, 3 + $SLACK) or fail "$door->[0]: not again";
        }
    }
    $row->{also}->() if $row->{also};
    ok $self->recover($row, 2 + $SLACK), 'and again it recovers';
    my $n = $self->{redis}->cmd('HGET', $self->key, 'n');
    cmp_ok $n, '>=', $self->{acked}, 'no increment is lost';
    cmp_ok $n, '<=', $self->{acked} + $self->{unsure}, 'none is made twice';
    is $self->ask('GET', '/page.txt')->{body}, 'page', 'static pages as ever';
}

# A subtest for each row that is wanted; DRS_ROW picks by name.
sub run_all {
    my ($self, @rows) = @_;
    for my $row (@rows) {
        next if defined $ENV{DRS_ROW} && $row->{name} !~ /$ENV{DRS_ROW}/;
        subtest $row->{name} => sub { $self->run($row) };
    }
}

# At the end of a file: the log tells no id and no value of a session.
sub names_nobody {
    my ($self) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $id = $self->{jar}->id;
    unlike $self->{httpd}->error_log . $self->{httpd}->output,
        qr/\Q$id\E|zoe/, 'no line names anybody';
}

sub stop { my ($self) = @_;
    $self->{liar}->stop; $_->stop for @$self{qw(httpd redis)} }

1;
