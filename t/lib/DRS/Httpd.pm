# SPDX-License-Identifier: MIT
# A private httpd for one test file: own ServerRoot, free loopback port, a
# generated configuration, the module and the test module loaded.
package DRS::Httpd;
use strict;
use warnings;
use Cwd qw(abs_path);
use DRS::Http;
use DRS::Proc;
use DRS::Secrets;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;

my @MODULES = qw(authn_core authz_core unixd env setenvif headers rewrite dir
    alias include mime log_config status info);

sub program {
    for my $path ($ENV{HTTPD} // (), '/usr/sbin/apache2', '/usr/sbin/httpd',
        map { ("$_/apache2", "$_/httpd") } split /:/, $ENV{PATH}) {
        return $path if -x $path;
    }
    return undef;
}

# The module under test and the guest that calls its API.
sub built {
    my ($env, $name) = @_;
    my $build = $ENV{DRS_BUILD} // 'build';
    my $path = $ENV{$env} // "$build/$name";
    return -e $path ? abs_path($path)
        : -e "$FindBin::Bin/../$path" ? abs_path("$FindBin::Bin/../$path")
        : undef;
}

sub module      { return built('DRS_MODULE', 'mod_drsession.so') }
sub test_module { return built('DRS_DRSTEST', 'mod_drstest.so') }

my $libexec;
sub libexec {
    return $libexec if defined $libexec;
    my $apxs = $ENV{APXS} // 'apxs';
    chomp($libexec = qx($apxs -q LIBEXECDIR 2>/dev/null) // '');
    return $libexec;
}

my $compiled_in;
sub is_compiled_in {
    my ($name) = @_;
    my $program = program();
    $compiled_in //= qx($program -l 2>/dev/null);
    return $compiled_in =~ /\b(?:mod_)?\Q$name\E\.c\b/;
}

# The Lua module as it was built; it may not be there.
sub lua_module {
    return $ENV{DRS_LUA} // "$FindBin::Bin/../build/lua/drsession.so";
}

# A folder with the Lua module, or undef where that or mod_lua is missing. A
# child of httpd loads it, as a user who need not see into the checkout: it is
# a copy.
my $lua_home;
sub lua_home {
    return $lua_home if defined $lua_home;
    return undef unless -e lua_module() && -e libexec() . '/mod_lua.so';
    my $home = tempdir('drs-lua-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    copy(lua_module(), "$home/drsession.so") or die "$home: $!";
    chmod 0755, $home;
    return $lua_home = $home;
}

# options: mpm, redis (a DRS::Redis) with kind, or url; conf and modules to
# add, base for other modules than ours; name => text in docs, cgi; env to
# add; threads of a child; plain => 1 leaves our modules out; debug => 1 logs
# all ours; inside => words that run httpd; start => 0.
sub new {
    my ($class, %opt) = @_;
    my $dir = tempdir('drs-httpd-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my $self = bless {
        mpm => 'event', conf => '', modules => [], kind => 'unix',
        docs => {}, cgi => {}, %opt,
        dir => $dir, port => DRS::Proc::free_port(),
    }, $class;
    make_path("$dir/docs", "$dir/cgi", "$dir/run");
    DRS::Secrets::watch(map { "$dir/$_" }
        qw(error.log access.log httpd.out test.out));
    chmod 01777, "$dir/run";
    $self->add("docs/$_", $self->{docs}{$_}) for keys %{ $self->{docs} };
    $self->add("cgi/$_",  $self->{cgi}{$_})  for keys %{ $self->{cgi} };
    $self->start if $opt{start} // 1;
    return $self;
}

sub port { $_[0]{port} }
sub dir  { $_[0]{dir} }
sub pid  { $_[0]{pid} }
sub url  { "http://127.0.0.1:$_[0]{port}" . ($_[1] // '/') }

# A file below ServerRoot; those in cgi/ may be executed.
sub add {
    my ($self, $name, $text) = @_;
    my ($folder) = $name =~ m{\A(.*)/};
    make_path("$self->{dir}/$folder") if defined $folder;
    open my $out, '>', "$self->{dir}/$name" or die "$name: $!";
    binmode $out;
    print {$out} $text;
    close $out or die "$name: $!";
    chmod $name =~ m{\Acgi/} ? 0755 : 0644, "$self->{dir}/$name";
}

sub load_lines {
    my ($self) = @_;
    my $cgi = $self->{mpm} eq 'prefork' ? 'cgi' : 'cgid';
    my $lines = '';
    for my $name ("mpm_$self->{mpm}", @{ $self->{base} // \@MODULES }, $cgi,
        @{ $self->{modules} }) {
        my $short = $name =~ s/^mpm_//r;
        next if is_compiled_in($name) || is_compiled_in($short);
        next unless -e libexec() . "/mod_$name.so";
        $lines .= "LoadModule ${name}_module " . libexec()
            . "/mod_$name.so\n";
    }
    return $lines if $self->{plain};
    $lines .= 'LoadModule drsession_module ' . module() . "\n";
    for my $guest (qw(drstest drscodec)) {
        my $path = built("DRS_\U$guest", "mod_$guest.so") or next;
        $lines .= "LoadModule ${guest}_module $path\n";
    }
    return $lines;
}

sub mpm_lines {
    my ($self) = @_;
    my $threads = $self->{threads} // 16;
    return "StartServers 4\nMinSpareServers 2\nMaxSpareServers 8\n"
        . "MaxRequestWorkers 64\n" if $self->{mpm} eq 'prefork';
    my $servers = $self->{servers} // 2;
    return "StartServers $servers\nServerLimit $servers\n"
        . "ThreadsPerChild $threads\nThreadLimit $threads\n"
        . 'MaxRequestWorkers ' . $servers * $threads . "\n"
        . "MinSpareThreads 1\nMaxSpareThreads " . $servers * $threads . "\n";
}

# The whole configuration; `extra` stands in for conf when given.
sub conf_text {
    my ($self, $extra) = @_;
    my ($dir, $text) = ($self->{dir}, $extra // $self->{conf});
    my $url = $self->{url_of_redis}
        // ($self->{redis} && $self->{redis}->url($self->{kind}));
    my $conf = "ServerRoot $dir\nDefaultRuntimeDir $dir/run\n"
        . "PidFile $dir/run/httpd.pid\nServerName 127.0.0.1:$self->{port}\n"
        . "Listen 127.0.0.1:$self->{port}\nErrorLog $dir/error.log\n"
        . $self->load_lines . $self->mpm_lines
        . $self->log_lines
        . "DocumentRoot $dir/docs\nKeepAliveTimeout 15\n"
        . "MaxKeepAliveRequests 0\nTimeout 30\nGracefulShutdownTimeout 5\n";
    $conf .= "TypesConfig /dev/null\nAddType text/plain .txt\n";
    $conf .= "User www-data\nGroup www-data\n" if $> == 0;
    $conf .= "ScriptSock $dir/run/cgisock\n" if $self->{mpm} ne 'prefork';
    $conf .= "ScriptAlias /cgi/ $dir/cgi/\n"
        . "<Directory $dir>\n    Require all granted\n"
        . "    Options +Includes +ExecCGI +FollowSymLinks\n"
        . "    AllowOverride All\n</Directory>\n"
        . "AddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n";
    return $conf . "$text\n" if $self->{plain};
    if (defined $url && $text !~ /^\s*DRSessionServer\s/m) {
        $conf .= "DRSessionServer $url\n";
        $conf .= $self->{redis}{credentials} // '' if $self->{redis};
    }
    $conf .= "<Location /drs>\n    SetHandler drstest\n</Location>\n"
        if defined test_module();
    return $conf . "$text\n";
}

sub log_lines {
    my ($self) = @_;
    return 'LogLevel info' . ($self->{debug} ? ' drsession:trace8' : '') . "\n"
        unless DRS::Secrets::is_on();
    return "LogLevel trace8\nLogFormat \"%h %l %u %t \\\"%r\\\" %>s %b"
        . ($self->{plain} ? '' : ' %^DS') . "\"\nTransferLog access.log\n";
}

sub write_conf {
    my ($self, $name, $text) = @_;
    open my $out, '>', "$self->{dir}/$name" or die "$name: $!";
    binmode $out;
    print {$out} $text;
    close $out;
    return "$self->{dir}/$name";
}

# Sanitizers come in by LD_PRELOAD, into httpd alone.
sub env {
    my ($self) = @_;
    my %env = %{ $self->{env} // {} };
    if ($ENV{DRS_PRELOAD}) {
        $env{LD_PRELOAD}   = $ENV{DRS_PRELOAD};
        $env{ASAN_OPTIONS} = $ENV{ASAN_OPTIONS} // 'detect_leaks=0';
    }
    return \%env;
}

sub command {
    my ($self, @args) = @_;
    return (@{ $self->{inside} // [] }, split(' ', $ENV{DRS_VALGRIND} // ''),
        program(), @args);
}

# What valgrind says at the end comes after the last test of a file.
my @watched;
END {
    my $status = $?;
    for my $httpd (grep { $_->{owner} == $$ } @watched) {
        $httpd->stop;
        my @lost = $httpd->output =~ /^(==\d+== .*definitely lost.*)/mg;
        print STDERR map { "# $_\n" } @lost;
        $status ||= 9 if @lost;
    }
    $? = $status;
}

# How often it began to serve. It listens earlier than that, and drops who is
# connected when it reads its configuration for the second time.
sub starts {
    my ($self) = @_;
    return scalar(() = $self->error_log =~ /resuming normal operations/g);
}

sub start {
    my ($self) = @_;
    my $conf = $self->write_conf('httpd.conf', $self->conf_text);
    my $seen = $self->starts;
    $self->{pid} = DRS::Proc::spawn(
        log => "$self->{dir}/httpd.out", env => $self->env,
        argv => [$self->command('-DFOREGROUND', '-f', $conf)]);
    my $up = DRS::Proc::wait_until(60, sub {
        return 1 if $self->starts > $seen;
        die "httpd ended ($?):\n" . $self->output . $self->error_log
            unless DRS::Proc::is_alive($self->{pid});
        return 0;
    });
    die "httpd is not up:\n" . $self->output . $self->error_log unless $up;
    $self->{owner} = $$;
    push @watched, $self if $ENV{DRS_VALGRIND};
    return $self;
}

# The processes that it started.
sub children {
    my ($self) = @_;
    return split ' ', slurp("/proc/$self->{pid}/task/$self->{pid}/children");
}

sub stop {
    my ($self) = @_;
    DRS::Proc::stop(delete $self->{pid}) if $self->{pid};
}

sub graceful {
    my ($self) = @_;
    my $seen = $self->starts;
    kill 'USR1', $self->{pid};
    return DRS::Proc::wait_until(60, sub { $self->starts > $seen });
}

# `httpd -t` on a configuration with the text given: exit code, output.
sub conftest {
    my ($self, $text, @args) = @_;
    my $conf = $self->write_conf('test.conf', $self->conf_text($text));
    my $out = "$self->{dir}/test.out";
    unlink $out;
    my $pid = DRS::Proc::spawn(log => $out, env => $self->env,
        argv => [program(), '-t', @args, '-f', $conf]);
    waitpid $pid, 0;
    my $code = $? >> 8;
    DRS::Proc::stop($pid);
    return ($code, slurp($out));
}

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    binmode $in;
    local $/;
    return readline($in) // '';
}

sub error_log { return slurp("$_[0]{dir}/error.log") }

# Without what httpd's own modules tell at their trace levels.
sub quiet_log {
    my ($self) = @_;
    return join "\n", grep { DRS::Secrets::counts($_) }
        split /\n/, $self->error_log;
}

sub output { return slurp("$_[0]{dir}/httpd.out") }

# Lines that should not be there, but for those the caller provoked. That all
# workers are busy is a remark of httpd on a slow machine: AH00484 and AH00485
# of event, AH00286 of worker, AH00161 of prefork.
sub unexpected {
    my ($self, @expected) = @_;
    push @expected, qr/\bAH00(?:48[45]|286|161): /;
    return grep {
        my $line = $_;
        $line =~ m{:(?:emerg|alert|crit|error|warn)\]|exit\ signal
            |Sanitizer|runtime\ error|Assertion
            |^==\d+==\ (?:Invalid|Conditional|Use\ of|Syscall\ param)}x
            && !grep { $line =~ $_ } @expected
    } split /\n/, $self->error_log . $self->output;
}

# A client that keeps its connection; a forked child gets its own.
sub client {
    my ($self) = @_;
    my $client = $self->{client};
    return $client if $client && $client->{owner} == $$;
    $client = DRS::Http->new(port => $self->port);
    $client->{owner} = $$;
    return $self->{client} = $client;
}

sub request {
    my ($self, @args) = @_;
    return $self->client->request(@args);
}

sub get { my ($self, $path, %opt) = @_; $self->request('GET', $path, %opt) }

# Calls of the C API, one a line: their answers, one a line, decoded.
# options before the lines: a hash with jar, path, headers.
sub drs {
    my $self = shift;
    my %opt = ref $_[0] eq 'HASH' ? %{ shift() } : ();
    my $path = delete $opt{path} // '/drs';
    my $response = $self->request('POST', $path, %opt,
                                  body => join('', map { "$_\n" } @_));
    return "http:$response->{status}" if $response->{status} != 200;
    my @lines = split /\n/, $response->{body}, -1;
    pop @lines;
    s/%([0-9A-F]{2})/chr hex $1/ge for @lines;
    return wantarray ? @lines : $lines[-1];
}

1;
