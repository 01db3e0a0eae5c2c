"""ReFrame test: cdsr's decks as a benchmark of a node. reframe -C SITE.py -c reframe_cdsr.py -r

Every deck proves itself and ends with VALID; its figures of merit are rates, of which a site writes its own into
`reference`: CdsrDeck.reference = {'system:partition': {'train': (9000, -0.05, None, 'sequences/s')}}."""

import reframe as rfm
import reframe.utility.sanity as sn


@rfm.simple_test
class CdsrDeck(rfm.RunOnlyRegressionTest):
    descr = 'cdsr bench --deck: training, ranking, input and output of synthetic data'
    valid_systems = ['*']
    valid_prog_environs = ['*']
    modules = ['cdsr']
    executable = 'cdsr'
    deck = parameter(['tiny', 'small'])
    nodes = variable(int, value=1)
    time_limit = '30m'
    env_vars = {'OMP_NUM_THREADS': 1, 'OPENBLAS_NUM_THREADS': 1}

    @run_before('run')
    def one_rank_per_core(self):
        cores = self.current_partition.processor.num_cores or 1
        self.num_tasks_per_node = cores
        self.num_tasks = cores * self.nodes
        self.executable_opts = ['bench', '--deck', self.deck]

    @sanity_function
    def proves_itself(self):
        return sn.assert_found(r'^VALID$', self.stdout)

    @performance_function('sequences/s')
    def train(self):
        return sn.extractsingle(r'^FOM train (\S+) sequences/s', self.stdout, 1, float)

    @performance_function('users/s')
    def rank(self):
        return sn.extractsingle(r'^FOM rank (\S+) users/s', self.stdout, 1, float)

    @performance_function('GB/s')
    def io(self):
        return sn.extractsingle(r'^FOM io (\S+) GB/s', self.stdout, 1, float)
